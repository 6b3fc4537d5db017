"""The daemon's statistics, ``ts:stats:<name>``: the newest of each, and their course."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.read.candles import join
from redis_functions.read.ranges import Range, Times, Values, read_ranges

#: One sample a second each, at the wall clock. Those of things that happen count since ingest began.
STATS: dict[str, str] = {
    "symbols": "symbols seen",
    "active_symbols": "symbols with a bar in the last minute",
    "bars_per_second": "bars stored a second",
    "events_per_second": "events of the feed a second",
    "lag_ms": "from the end of a bar's second to its being stored",
    "advancing": "symbols above the previous close",
    "declining": "symbols below the previous close",
    "unchanged": "symbols at the previous close",
    "restated": "bars that replaced an earlier version",
    "rejected": "bars refused for their time",
    "set_aside": "events that could not be used",
    "duplicates": "trades seen before",
    "late_prints": "trades too late for every field of their second",
    "reconnects": "connections to the feed after the first",
    "alerts": "alerts raised",
    "minute_bars_filled": "minutes filled from a minute bar",
    "minute_bars_differ": "minute bars that differ from their seconds",
    "gaps_open": "gaps that are not repaired yet",
    "gaps_repaired": "gaps that were repaired",
    "bars_repaired": "bars brought back into gaps, since ingest began",
    "coverage": "live and repaired of the day's minutes of all symbols, 0 to 1",
    "redis_memory_bytes": "memory that Redis uses",
    "redis_aof_bytes": "Redis's append-only file",
    "buffered_bytes": "waiting between the socket and the work on it",
    "waiting_bars": "bars waiting to be stored",
    "frames_dropped": "frames given up because too much waited",
    "halted": "symbols whose trading is halted",
    "stage_spool_ms": "p99 of the last second: a frame appended to the spool",
    "stage_decode_ms": "p99 of the last second: a frame decoded and checked",
    "stage_tape_ms": "p99 of the last second: a batch of bars accepted",
    "stage_velocity_ms": "p99 of the last second: the detector's look at a batch",
    "stage_store_ms": "p99 of the last second: a batch from the queue to Redis's acknowledgement",
    "stage_alert_ms": "p99 of the last second: a spike seen to its alert published",
    "stage_total_ms": "p99 of the last second: a frame received to all its bars stored",
    "connected": "1 while the feed is connected, else 0",
}


def read_newest_stats(client: Redis) -> tuple[int | None, dict[str, float | None]]:
    """(time of the newest sample in epoch ms, the newest value of each of STATS); None where there is none."""
    pipe: Any = client.pipeline(transaction=False)
    for name in STATS:
        pipe.execute_command("TS.GET", keys.stat(name))
    newest: int | None = None
    values: dict[str, float | None] = {}
    for name, reply in zip(STATS, pipe.execute(raise_on_error=False), strict=True):
        missing = isinstance(reply, ResponseError) and "key does not exist" in str(reply)
        if isinstance(reply, Exception) and not missing:
            raise reply
        values[name] = None if missing or not reply else float(reply[1])
        if not missing and reply:
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
