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
    client: Redis, names: Sequence[str], start: int, end: int, limit: int, step_ms: int = 0
) -> tuple[Times, Values]:
    """The newest `limit` times in `start`..`end` with a row of values for each name (NaN where it has none then).

    `step_ms`: means over spans of so many ms in place of every sample.
    """
    # A column that is cut at `limit` samples has so many rows itself: what lies before them is cut off anyway.
    t, values = join(read_ranges(client, [Range(keys.stat(n), start, end, limit, mean_ms=step_ms) for n in names]))
    return t[-limit:], values[:, -limit:]
