"""Ranges of many time series in one round trip, as numpy arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from redis import Redis
from redis.exceptions import ResponseError

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


EMPTY = Samples(np.empty(0, np.int64), np.empty(0, np.float64))


def read_ranges(client: Redis, ranges: Iterable[Range]) -> list[Samples]:
    """One Samples for each range, in order; a series that does not exist is empty.

    Raises what redis-py raises when the server is away or refuses.
    """
    asked = list(ranges)
    pipe: Any = client.pipeline(transaction=False)
    for one in asked:
        pipe.execute_command(*_command(one))
    replies = pipe.execute(raise_on_error=False)
    return [_samples(one, reply) for one, reply in zip(asked, replies, strict=True)]


def _command(one: Range) -> Sequence[str | int]:
    # REVRANGE gives the newest; only with the aggregations first and last is it unsafe (they come swapped).
    words: list[str | int] = ["TS.REVRANGE" if one.newest else "TS.RANGE", one.key, one.start, one.end]
    if one.latest:
        words.append("LATEST")
    if one.newest:
        words += ["COUNT", one.newest]
    if one.mean_ms:
        words += ["AGGREGATION", "avg", one.mean_ms]
    return words


def _samples(one: Range, reply: Any) -> Samples:
    if isinstance(reply, ResponseError) and "key does not exist" in str(reply):
        return EMPTY
    if isinstance(reply, Exception):
        raise reply
    size = len(reply)
    if not size:
        return EMPTY
    # Values are doubles in RESP3 and text in RESP2.
    flat: Iterable[Any] = chain.from_iterable(reply)
    if isinstance(reply[0][1], bytes):
        flat = map(float, flat)
    pairs = np.fromiter(flat, np.float64, 2 * size).reshape(size, 2)
    if one.newest:
        pairs = pairs[::-1]
    return Samples(
        pairs[:, 0].astype(np.int64), np.ascontiguousarray(pairs[:, 1]), bool(one.newest) and size >= one.newest
    )


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
