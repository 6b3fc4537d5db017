"""The closes that the velocity detector measures a day against, stored for readers that derive velocity later."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

from redis.asyncio import Redis

from redis_functions.contract import keys

#: How long the hash of a day is kept, seconds.
EXPIRE_S = 8 * 86_400


async def write_previous_closes(client: Redis, day: date, closes: Mapping[str, float]) -> None:
    """Adds real prices by symbol to ``previous_close:{DAY}``; `closes` is not empty. Raises redis.RedisError."""
    name = keys.previous_close(day)
    await client.hset(name, mapping={symbol: repr(close) for symbol, close in closes.items()})
    await client.expire(name, EXPIRE_S)
