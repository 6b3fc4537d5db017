"""Ranges of many time series in one round trip, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import numpy as np
import numpy.typing as npt
from hiredis import Reader, ReplyError
from redis import Redis
from redis.exceptions import BusyLoadingError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from redis_functions.errors import Kind, kind_of
from redis_functions.read.bulk import exchange, forget

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


class Range(NamedTuple):
    """Samples of `key` from `start` to `end` (epoch ms, both included): all, or only the `newest` or `oldest` so many of them.

    `latest` adds the bucket that a compacted series has not closed yet; `mean_ms` answers the mean of each span of so
    many ms (aligned to UTC) in place of the samples.
    """

    key: str
    start: int
    end: int
    newest: int = 0
    latest: bool = False
    mean_ms: int = 0
    oldest: int = 0


class Samples(NamedTuple):
    """Ascending times (epoch ms) with their values; `more`: as many as asked for came, so there may be older ones (of the oldest:
    newer ones)."""

    t: Times
    v: Values
    more: bool = False


#: What stands around the numbers of a reply, and what makes a list of them.
_MARKS = b"\r*:+"
_COMMAS = bytes.maketrans(b"\n", b",")
#: Of fractions, exponents, what is no number, and errors.
_NO_INTEGERS = (b".", b"e", b"E", b"n")


def read_ranges(client: Redis, ranges: Iterable[Range]) -> list[Samples]:
    """One Samples for each range, in order; a series that does not exist is empty.

    Raises what redis-py raises when the server is unreachable or returns an error.
    """
    asked = list(ranges)
    raw = exchange(client, "".join(map(_packed, asked)).encode("ascii"))
    try:
        return _parse_numbers(asked, raw)
    except (ValueError, IndexError):
        pass
    try:
        return _parse_any(asked, raw)
    except RedisConnectionError:
        forget(client)
        raise


def _packed(one: Range) -> str:
    # REVRANGE gives the newest; only with the aggregations first and last is it unsafe (they come swapped).
    words = ["TS.REVRANGE" if one.newest else "TS.RANGE", one.key, str(one.start), str(one.end)]
    if one.latest:
        words.append("LATEST")
    if one.newest or one.oldest:
        words += ["COUNT", str(one.newest or one.oldest)]
    if one.mean_ms:
        words += ["AGGREGATION", "avg", str(one.mean_ms)]
    return f"*{len(words)}\r\n" + "".join([f"${len(word)}\r\n{word}\r\n" for word in words])


def _parse_numbers(asked: Sequence[Range], raw: bytes) -> list[Samples]:
    """Replies that are nothing but samples: ``*<samples>``, then for each ``*2``, ``:<time>`` and ``+<value>``.

    ValueError: something else is among them.
    """
    numbers = _numbers(raw)
    columns: list[tuple[Times, Values]] = []
    at = 0
    for _ in asked:
        end = at + 1 + 3 * int(numbers[at])
        columns.append((numbers[at + 2 : end : 3], numbers[at + 3 : end : 3]))
        at = end
    if at != len(numbers):
        raise ValueError("not lists of samples")
    return _samples(asked, columns)


def _numbers(raw: bytes) -> npt.NDArray[Any]:
    """All numbers of the replies: integers as such, which is several times quicker, else as float64. Raises ValueError."""
    text = raw.translate(_COMMAS, _MARKS)[:-1]
    if any(mark in text for mark in _NO_INTEGERS):
        return np.array(msgspec.json.decode(b"[%b]" % text), np.float64)
    return np.fromstring(text, np.int64, sep=",")


def _samples(asked: Sequence[Range], columns: Sequence[tuple[Times, Values]]) -> list[Samples]:
    found: list[Samples] = []
    for one, (times, values) in zip(asked, columns, strict=True):
        t = times[:: -1 if one.newest else 1].astype(np.int64)
        # The fields of a bar mostly have the same times: then they share them, and are joined at a glance.
        if found and t.tobytes() == found[-1].t.tobytes():
            t = found[-1].t
        found.append(Samples(t, values[:: -1 if one.newest else 1].astype(np.float64), _is_full(one, len(t))))
    return found


def _parse_any(asked: Sequence[Range], raw: bytes) -> list[Samples]:
    """The same by the general parser, for replies with errors among them."""
    reader = Reader()
    reader.feed(raw)
    found = []
    for one in asked:
        reply = reader.gets()
        if isinstance(reply, ReplyError):
            kind = kind_of(reply)
            if kind is Kind.NOT_PRIMARY:
                raise RedisConnectionError(f"this Redis is no primary (any more): {reply}")
            if kind not in (Kind.NO_SERIES, Kind.WRONG_TYPE):
                raise BusyLoadingError(str(reply)) if kind is Kind.LOADING else ResponseError(str(reply))
            reply = []
        pairs = reply[::-1] if one.newest else reply
        times, values = np.array([t for t, _ in pairs], np.int64), np.array([float(v) for _, v in pairs], np.float64)
        found.append(Samples(times, values, _is_full(one, len(times))))
    return found


def _is_full(one: Range, samples: int) -> bool:
    return 0 < (one.newest or one.oldest) <= samples


class Extent(NamedTuple):
    """The oldest and the newest time of a series, and the oldest that its retention keeps, epoch ms."""

    first: int
    last: int
    kept_from: int


def read_extents(client: Redis, names: Sequence[str]) -> list[Extent | None]:
    """The extent of each series; None where it does not exist or is empty. Raises redis.RedisError."""
    pipe: Any = client.pipeline(transaction=False)
    for name in names:
        pipe.execute_command("TS.INFO", name)
    return [_extent(reply) for reply in pipe.execute(raise_on_error=False)]


def _extent(reply: Any) -> Extent | None:
    info = _info(reply)
    if info is None or not info[b"totalSamples"]:
        return None
    return Extent(int(info[b"firstTimestamp"]), int(info[b"lastTimestamp"]), _kept_from(info))


def read_edges(client: Redis, names: Sequence[str]) -> list[int]:
    """For each series the oldest time (epoch ms) that its retention keeps; 0 where that is unlimited or unknown."""
    if not names:
        return []
    pipe: Any = client.pipeline(transaction=False)
    for name in names:
        pipe.execute_command("TS.INFO", name)
    return [_edge(reply) for reply in pipe.execute(raise_on_error=False)]


def _edge(reply: Any) -> int:
    info = _info(reply)
    return 0 if info is None else _kept_from(info)


def _info(reply: Any) -> dict[bytes, Any] | None:
    """A reply to TS.INFO by name; None where there is no such series."""
    if isinstance(reply, ResponseError):
        return None
    if isinstance(reply, Exception):
        raise reply
    return reply if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=True))


def _kept_from(info: dict[bytes, Any]) -> int:
    kept = info[b"retentionTime"]
    return int(info[b"lastTimestamp"]) - int(kept) if kept else 0
