"""Which Redis URLs are taken, and that both clients speak to a real server as the store expects."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from redis_functions.server.connection import BadRedisUrl, check_url, connect, connect_async


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://localhost:6379/0",
        "rediss://user:pw@example.org:6380",
        "unix:///run/redis.sock",
        "unix://:pw@/run/redis.sock?db=0",
    ],
)
def test_taken(url: str) -> None:
    check_url(url)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("localhost:6379", "cannot be read"),
        ("http://localhost", "cannot be read"),
        ("redis://localhost:port", "cannot be read"),
        ("redis://user:pw/secret@localhost", "cannot be read"),
        ("redis://:secret@localhost/1", "only logical database 0"),
        ("redis://localhost?db=2", "only logical database 0"),
        ("unix:///run/redis.sock?db=1", "only logical database 0"),
    ],
)
def test_refused(url: str, message: str) -> None:
    with pytest.raises(BadRedisUrl, match=message) as refused:
        check_url(url)
    assert "secret" not in str(refused.value)
    with pytest.raises(BadRedisUrl):
        connect(url)
    with pytest.raises(BadRedisUrl):
        connect_async(url)


def test_both_clients_answer_bytes_and_lists(redis: Redis, redis_url: str) -> None:
    redis.execute_command("TS.ADD", "ts:stats:symbols", 1000, 7)
    expected = [[1000, b"7"]]

    async def asked() -> object:
        async with connect_async(redis_url) as client:
            return await client.execute_command("TS.RANGE", "ts:stats:symbols", "-", "+")

    with connect(redis_url) as client:
        assert client.execute_command("TS.RANGE", "ts:stats:symbols", "-", "+") == expected
    assert asyncio.run(asked()) == expected
