"""Which symbols are repaired first: watched ones, then those of the most volume, then the newest."""

from __future__ import annotations

import json

from redis import Redis

from ingest.repair.order import repair_order
from redis_functions.contract import keys
from tests.ingest.repair.harness import Harness, bar, run


def test_watched_then_volume_then_newest(redis: Redis, redis_url: str) -> None:
    redis.sadd(keys.watchlist("mine"), "WATCHED", "UNKNOWN")
    redis.set(keys.MOVERS, json.dumps({"t": 1, "volume": [{"symbol": "BUSY"}, {"symbol": "LESS"}]}))

    async def test() -> None:
        async with Harness(redis_url) as made:
            made.hear([bar("OLD", 1), bar("NEW", 9)])
            symbols = ["NEVER", "OLD", "LESS", "NEW", "BUSY", "WATCHED", "OLD"]
            found = await repair_order(made.client, symbols, made.live)
            assert found == ["WATCHED", "BUSY", "LESS", "NEW", "OLD", "NEVER"]

    run(test())
