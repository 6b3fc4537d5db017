"""The stamp of a store, what it rejects, and that a rejected start changes nothing."""

from __future__ import annotations

import asyncio

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.access import INGEST, apply
from redis_functions.errors import StoreRefused
from redis_functions.server.connection import connect_async
from redis_functions.write.store_stamp import Stamp, claim_store, foreign_series, read_stamp

OURS = Stamp("stocks", "vendor")


def claim(url: str, stamp: Stamp = OURS) -> Stamp | None:
    async def main() -> Stamp | None:
        async with connect_async(url) as client:
            await claim_store(client, stamp)
            return await read_stamp(client)

    return asyncio.run(main())


def test_an_empty_store_and_one_from_before_are_stamped(redis: Redis, redis_url: str) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL")
    assert claim(redis_url) == OURS
    assert claim(redis_url) == OURS
    assert redis.hgetall(keys.STORE) == {b"feed": b"stocks", b"market": b"vendor", b"schema": b"1"}


@pytest.mark.parametrize(
    ("stamp", "text"),
    [
        (Stamp("stocks", "simulator-1"), "holds the market 'vendor', and this feed is 'simulator-1'"),
        (Stamp("crypto", "vendor"), r"feed stocks.*feed crypto"),
    ],
)
def test_another_market_or_feed_is_refused(redis: Redis, redis_url: str, stamp: Stamp, text: str) -> None:
    claim(redis_url)
    before = redis.hgetall(keys.STORE)
    with pytest.raises(StoreRefused, match=text) as refused:
        claim(redis_url, stamp)
    assert "tapewatch store reset --yes" in str(refused.value)
    assert redis.hgetall(keys.STORE) == before


def test_a_store_of_a_newer_schema_is_refused(redis: Redis, redis_url: str) -> None:
    claim(redis_url)
    redis.hset(keys.STORE, "schema", "2")
    with pytest.raises(StoreRefused, match="upgrade tapewatch"):
        claim(redis_url)


@pytest.mark.parametrize("name", keys.fixed_types("stocks"))
def test_a_key_of_another_type_is_named(redis: Redis, redis_url: str, name: str) -> None:
    redis.pfadd(name, "x") if keys.fixed_types("stocks")[name] != "string" else redis.sadd(name, "x")
    with pytest.raises(StoreRefused, match="another program") as refused:
        claim(redis_url)
    assert name in str(refused.value)
    assert redis.keys("*") == [name.encode()]


def test_the_type_of_every_key_is_what_the_code_makes(redis: Redis, redis_url: str) -> None:
    """The names in the check are those of keys.py's table."""
    claim(redis_url)
    assert redis.type(keys.STORE) == keys.fixed_types("stocks")[keys.STORE].encode()


def test_series_of_others_are_found_and_left_alone(redis: Redis, redis_url: str) -> None:
    for name in (keys.series("BRK.B", "1s", "close"), keys.stat("symbols"), "ts:temperature", "ts:{AAPL}:1d:close"):
        redis.execute_command("TS.CREATE", name)

    async def found() -> list[str]:
        async with connect_async(redis_url) as client:
            return await foreign_series(client)

    assert asyncio.run(found()) == ["ts:temperature", "ts:{AAPL}:1d:close"]
    assert claim(redis_url) == OURS


def test_the_user_ingest_may_stamp(redis: Redis, redis_url: str) -> None:
    apply(redis, INGEST, "a-long-password")
    url = redis_url.replace("unix://", "unix://ingest:a-long-password@")
    try:
        assert claim(url) == OURS
    finally:
        redis.acl_deluser("ingest")
