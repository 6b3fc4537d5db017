"""Ranges of many time series in one round trip, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from hiredis import Reader, ReplyError, pack_command
from redis import Redis
from redis.exceptions import BusyLoadingError, ResponseError

from redis_functions.bulk import exchange
from redis_functions.decimal_text import parse, same_rows

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Range(NamedTuple):
    """Samples of `key` from `start` to `end` (epoch ms, both included): all, or only the `newest` so many of them.

    `latest` adds the bucket that a compacted series has not closed yet; `mean_ms` answers the mean of each span of so
    many ms (aligned to UTC) in place of the samples.
    """

    key: str
    start: int
    end: int
    newest: int = 0
    latest: bool = False
    mean_ms: int = 0


class Samples(NamedTuple):
    """Ascending times (epoch ms) with their values; `more`: there may be older ones, as many as asked for came."""

    t: Times
    v: Values
    more: bool = False


_MISSING = "key does not exist"
_LINE_FEED = ord("\n")


def read_ranges(client: Redis, ranges: Iterable[Range]) -> list[Samples]:
    """One Samples for each range, in order; a series that does not exist is empty.

    Raises what redis-py raises when the server is away or refuses.
    """
    asked = list(ranges)
    raw = exchange(client, b"".join(_packed(one) for one in asked))
    try:
        return _parse_numbers(asked, raw)
    except ValueError:
        return _parse_any(asked, raw)


def _packed(one: Range) -> bytes:
    # REVRANGE gives the newest; only with the aggregations first and last is it unsafe (they come swapped).
    words: list[Any] = ["TS.REVRANGE" if one.newest else "TS.RANGE", one.key, one.start, one.end]
    if one.latest:
        words.append("LATEST")
    if one.newest:
        words += ["COUNT", one.newest]
    if one.mean_ms:
        words += ["AGGREGATION", "avg", one.mean_ms]
    return bytes(pack_command(tuple(words)))


def _parse_numbers(asked: Sequence[Range], raw: bytes) -> list[Samples]:
    """Replies that are nothing but samples. ValueError: something else is among them.

    Each is a line ``*<samples>`` and three lines a sample: ``*2``, ``:<time>``, ``+<value>``.
    """
    breaks = np.flatnonzero(np.frombuffer(raw, np.uint8) == _LINE_FEED)
    bounds, at = [0], 0
    for _ in asked:
        if raw[at : at + 1] != b"*" or bounds[-1] >= len(breaks):
            raise ValueError("not a list")
        bounds.append(bounds[-1] + 1 + 3 * int(raw[at + 1 : breaks[bounds[-1]]]))
        at = int(breaks[bounds[-1] - 1]) + 1 if bounds[-1] <= len(breaks) else 0
    if bounds[-1] != len(breaks):
        raise ValueError("not pairs of integers and simple strings")
    spans = list(pairwise(bounds))
    if len({end - start for start, end in spans}) == 1:
        return _samples(asked, raw, breaks.reshape(len(asked), -1))
    return [
        _samples([one], raw, breaks[np.newaxis, start:end])[0] for one, (start, end) in zip(asked, spans, strict=True)
    ]


def _samples(asked: Sequence[Range], raw: bytes, breaks: npt.NDArray[np.intp]) -> list[Samples]:
    """Of replies with equally many samples, given where the lines of each end."""
    # Between a line's end and the digits of the next stands its type, before a line's end the other half of the end.
    before_times, before_values, ends = breaks[:, 1:-1:3], breaks[:, 2:-1:3], breaks[:, 3::3]
    starts, stops = before_times + 2, before_values - 1
    # The fields of a bar mostly have the same times: then they are read once, shared, and joined at a glance.
    distinct = 1 if same_rows(raw, starts, stops) else len(asked)
    numbers = parse(
        raw,
        np.concatenate([starts[:distinct], before_values + 2]),
        np.concatenate([stops[:distinct], ends - 1]),
    )
    times, values = numbers[:distinct].astype(np.int64), numbers[distinct:]
    found: list[Samples] = []
    turned: dict[tuple[int, int], Times] = {}
    for row, (one, v) in enumerate(zip(asked, values, strict=True)):
        order = -1 if one.newest else 1
        place = row % distinct
        t = turned.setdefault((place, order), times[place, ::order])
        found.append(Samples(t, v[::order], _is_full(one, len(t))))
    return found


def _parse_any(asked: Sequence[Range], raw: bytes) -> list[Samples]:
    """The same by the general parser, for replies with errors among them."""
    reader = Reader()
    reader.feed(raw)
    found = []
    for one in asked:
        reply = reader.gets()
        if isinstance(reply, ReplyError):
            if _MISSING not in str(reply):
                raise BusyLoadingError(str(reply)) if str(reply).startswith("LOADING") else ResponseError(str(reply))
            reply = []
        pairs = reply[::-1] if one.newest else reply
        times, values = np.array([t for t, _ in pairs], np.int64), np.array([float(v) for _, v in pairs], np.float64)
        found.append(Samples(times, values, _is_full(one, len(times))))
    return found


def _is_full(one: Range, samples: int) -> bool:
    return 0 < one.newest <= samples


def read_edges(client: Redis, names: Sequence[str]) -> list[int]:
    """For each series the oldest time (epoch ms) that its retention keeps; 0 where that is unlimited or unknown."""
    if not names:
        return []
    pipe: Any = client.pipeline(transaction=False)
    for name in names:
        pipe.execute_command("TS.INFO", name)
    return [_edge(reply) for reply in pipe.execute(raise_on_error=False)]


def _edge(reply: Any) -> int:
    if isinstance(reply, ResponseError):
        return 0
    if isinstance(reply, Exception):
        raise reply
    info = reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))
    kept = info[b"retentionTime"]
    return int(info[b"lastTimestamp"]) - int(kept) if kept else 0
