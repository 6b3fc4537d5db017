"""Emptying a store: all of ours but the watchlists, nothing of others."""

from __future__ import annotations

from datetime import date

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.schema import Schema, create_commands
from redis_functions.write.reset import reset

OURS = [
    keys.SYMBOLS, keys.MOVERS, keys.STORE, keys.ALERTS, keys.ALERTS_FIRED, keys.latest("BRK.B"), keys.alert_series("A"),
    keys.gaps("stocks"), keys.gaps_known("stocks"), keys.gap_progress("stocks", "ab:12"), keys.lease("stocks"),
    keys.lease_token("stocks"), keys.watermark("stocks"), keys.watermark_spools("stocks"), keys.late("A"),
    keys.stat("symbols"), keys.previous_close(date(2026, 1, 2)), keys.metrics("ingest"),
]  # fmt: skip
OTHERS = ["ts:temperature", "session:1", "latest", "alerts:mine", "symbols2", "ts:{A}:1d:close", "movers:x"]
WATCHLISTS = [keys.watchlist("mine"), keys.watchlist_settings("mine")]


def test_ours_go_others_and_watchlists_stay(redis: Redis) -> None:
    for name in (*OURS, *OTHERS, *WATCHLISTS):
        redis.set(name, "x")
    for command in create_commands("AAPL", Schema()):
        redis.execute_command(*command)
    assert reset(redis) == len(OURS) + 24
    assert sorted(redis.keys("*")) == sorted(name.encode() for name in (*OTHERS, *WATCHLISTS))
    assert reset(redis) == 0
