"""The symbols that somebody watches, beside what others put there."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.read import watchlists
from redis_functions.read.watchlists import read_watched
from redis_functions.server.connection import connect_async


def watched(url: str) -> frozenset[str]:
    async def main() -> frozenset[str]:
        async with connect_async(url) as client:
            return await read_watched(client)

    return asyncio.run(main())


def test_the_symbols_of_all_lists(redis: Redis, redis_url: str) -> None:
    redis.sadd(keys.watchlist("mine"), "AAPL", "BRK.B")
    redis.sadd(keys.watchlist("yours"), "AAPL", "MSFT", b"\xff\xfe")
    redis.hset(keys.watchlist_settings("mine"), "email", "a@b")
    redis.set(keys.watchlist("text"), "AAPL")
    assert watched(redis_url) == {"AAPL", "BRK.B", "MSFT"}


def test_no_more_than_the_limits_are_read(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    redis.sadd(keys.watchlist("long"), *(f"S{i}" for i in range(5_000)))
    monkeypatch.setattr(watchlists, "MAX_WATCHED", 100)
    assert len(watched(redis_url)) == 100
    redis.delete(keys.watchlist("long"))
    for i in range(20):
        redis.sadd(keys.watchlist(f"l{i}"), f"S{i}")
    monkeypatch.setattr(watchlists, "MAX_WATCHLISTS", 5)
    assert len(watched(redis_url)) == 5
