"""Ranges of many time series in one round trip, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import orjson
from hiredis import Reader, ReplyError, pack_command
from redis import Redis
from redis.exceptions import BusyLoadingError, ResponseError

from redis_functions.bulk import exchange

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


#: ``*1\r\n*2\r\n:1000\r\n+12.5\r\n`` is JSON's ``1 ,2 , 1000 , 12.5 ,``.
_AS_JSON = bytes.maketrans(b"\r\n*:+", b" ,   ")


def _parse_numbers(asked: Sequence[Range], raw: bytes) -> list[Samples]:
    """Replies that are nothing but samples, read as one JSON list. ValueError: something else is among them."""
    flat = orjson.loads(b"[" + raw[:-2].translate(_AS_JSON) + b"]")
    found: list[Samples] = []
    at, seen, t = 0, None, np.empty(0, np.int64)
    for one in asked:
        end = at + 1 + 3 * flat[at]
        order = -1 if one.newest else 1
        times = flat[at + 2 : end : 3][::order]
        # The fields of a bar mostly have the same times: then they share one array, and are joined at a glance.
        if times != seen:
            seen, t = times, np.array(times, np.int64)
        found.append(Samples(t, np.array(flat[at + 3 : end : 3], np.float64)[::order], _is_full(one, len(t))))
        at = end
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
