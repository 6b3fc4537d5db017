"""How far the repair of a gap has come: a hash of symbol to a text of the repairer's own, forgotten when the gap is closed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis.asyncio import Redis

from redis_functions.contract import keys

EXPIRE_S = 8 * 86_400


async def read_progress(client: Redis, feed: str, gap: str) -> dict[str, bytes]:
    """What was kept of each symbol. Raises redis.RedisError."""
    stored: Any = await client.hgetall(keys.gap_progress(feed, gap))
    return {str(symbol, "utf-8", "replace"): text for symbol, text in stored.items()}


async def keep_progress(client: Redis, feed: str, symbol: str, texts: Mapping[str, bytes]) -> None:
    """Keeps a text for `symbol` in each gap of `texts` (by its id), in one round trip. Raises redis.RedisError."""
    pipe = client.pipeline(transaction=False)
    for gap, text in texts.items():
        pipe.hset(keys.gap_progress(feed, gap), symbol, text.decode())
        pipe.expire(keys.gap_progress(feed, gap), EXPIRE_S)
    await pipe.execute()


async def forget_progress(client: Redis, feed: str, gap: str) -> None:
    """Raises redis.RedisError."""
    await client.delete(keys.gap_progress(feed, gap))
