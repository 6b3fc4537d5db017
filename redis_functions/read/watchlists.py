"""The watchlists, as far as the feed's process needs them."""

from __future__ import annotations

from redis.asyncio import Redis

from redis_functions.contract import keys

_SETTINGS = keys.watchlist_settings("").rpartition("}")[2].encode()


async def read_watched(client: Redis) -> frozenset[str]:
    """Every symbol on any watchlist. Raises redis.RedisError."""
    found: set[str] = set()
    async for key in client.scan_iter(match=keys.watchlist("*"), count=1_000, _type="SET"):
        if not key.endswith(_SETTINGS):
            found |= {
                str(member, "utf-8", "replace") for member in await client.smembers(key) if isinstance(member, bytes)
            }
    return frozenset(found)
