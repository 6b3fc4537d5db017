"""Reads the statistics, `ts:stats:<name>`: the newest value of each, and their values over time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.statistics import STATISTICS
from redis_functions.errors import Kind, kind_of
from redis_functions.read.candles import join
from redis_functions.read.ranges import Range, Times, Values, read_ranges


def read_newest_stats(
    client: Redis, names: Sequence[str] = tuple(STATISTICS)
) -> tuple[int | None, dict[str, float | None]]:
    """(time of the newest sample in epoch ms, the newest value of each of the statistics); None where
    there is none. Raises redis.RedisError."""
    pipe: Any = client.pipeline(transaction=False)
    for name in names:
        pipe.execute_command("TS.GET", keys.stat(name))
    newest: int | None = None
    values: dict[str, float | None] = {}
    for name, reply in zip(names, pipe.execute(raise_on_error=False), strict=True):
        values[name] = None
        if isinstance(reply, Exception):
            if kind_of(reply) not in (Kind.NO_SERIES, Kind.WRONG_TYPE):
                raise reply
        elif reply:
            values[name] = float(reply[1])
            newest = max(newest or 0, int(reply[0]))
    return newest, values


def read_stats(
    client: Redis, names: Sequence[str], start: int, end: int, limit: int, step_ms: int = 0, oldest: bool = False
) -> tuple[Times, Values, bool]:
    """The newest (or oldest) `limit` times in `start`..`end` with a row of values for each name (NaN where it has none then),
    and whether there are more.

    `step_ms`: means over spans of so many ms in place of every sample.
    """
    # A column that is cut has more than `limit` rows itself: what lies beyond them is cut off anyway.
    count = limit + 1
    newest, first = (0, count) if oldest else (count, 0)
    t, values = join(
        read_ranges(client, [Range(keys.stat(n), start, end, newest, mean_ms=step_ms, oldest=first) for n in names])
    )
    part = slice(limit) if oldest else slice(-limit, None)
    return t[part], values[:, part], len(t) > limit
