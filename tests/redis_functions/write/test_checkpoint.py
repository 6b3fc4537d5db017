"""The watermark: forward only, guarded by the token, one for each spool, and a Redis that lost data is noticed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.lua import loader
from redis_functions.server.connection import connect_async
from redis_functions.write import checkpoint
from redis_functions.write.checkpoint import BEHIND, EMPTIED, FENCED, SET, Watermark
from redis_functions.write.lease import Lease

FEED = "stocks"
WATERMARK = keys.watermark(FEED)


def on(url: str, work: Callable[[AsyncRedis], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with connect_async(url) as client:
            return await work(client)

    return asyncio.run(run())


@pytest.fixture
def token(redis: Redis, redis_url: str) -> int:
    """The token of an owner of the lease."""
    return on(redis_url, lambda client: Lease(client, FEED, "me", 60, 1).wait())


def advance(url: str, token: int, number: int, last: int | None = None, **rest: Any) -> Watermark:
    return on(url, lambda client: checkpoint.set_watermark(client, FEED, token, number, last=last, **rest))


def read(url: str, spool: str = "") -> int | None:
    return on(url, lambda client: checkpoint.read_watermark(client, FEED, spool))


def test_one_slot_with_the_lease() -> None:
    words = checkpoint.watermark_args(FEED, 1, 2, last=None, spool="", forced=False)
    declared = words[3 : 3 + int(words[2])]
    assert WATERMARK == "watermark:{stocks}"
    assert {key_slot(str(key).encode()) for key in declared} == {key_slot(keys.lease(FEED).encode())}


def test_forward(redis: Redis, redis_url: str, token: int) -> None:
    assert read(redis_url) is None
    assert advance(redis_url, token, 0) == Watermark(SET, 0)
    assert advance(redis_url, token, 7, last=0) == Watermark(SET, 7)
    assert advance(redis_url, token, 7, last=7) == Watermark(SET, 7)
    assert advance(redis_url, token, 9_007_199_254_740_991, last=7).number == 9_007_199_254_740_991
    assert redis.get(WATERMARK) == b"9007199254740991"
    assert read(redis_url) == 9_007_199_254_740_991


def test_backwards_only_when_forced(redis: Redis, redis_url: str, token: int) -> None:
    advance(redis_url, token, 7)
    assert advance(redis_url, token, 5) == Watermark(BEHIND, 7)
    assert read(redis_url) == 7
    assert advance(redis_url, token, 5, forced=True) == Watermark(SET, 5)
    assert read(redis_url) == 5


def test_a_reply_that_was_lost_does_no_harm(redis_url: str, token: int) -> None:
    """Redis has more than the caller knows to be acknowledged."""
    advance(redis_url, token, 7)
    assert advance(redis_url, token, 9, last=5) == Watermark(SET, 9)


def test_an_earlier_holder_is_fenced(redis: Redis, redis_url: str, token: int) -> None:
    advance(redis_url, token, 7)
    later = on(redis_url, lambda client: Lease(client, FEED, "me", 60, 1).wait())
    assert advance(redis_url, token, 8, last=7) == Watermark(FENCED, 7)
    assert advance(redis_url, token, 3, forced=True).outcome == FENCED
    assert advance(redis_url, later, 8) == Watermark(SET, 8)
    redis.delete(keys.lease(FEED))
    assert advance(redis_url, token, 9).outcome == FENCED
    assert advance(redis_url, later, 9).outcome == SET


def test_the_holder_of_the_lease_counts_where_the_count_was_lost(redis: Redis, redis_url: str, token: int) -> None:
    redis.delete(keys.lease_token(FEED))
    assert advance(redis_url, token + 1, 7).outcome == FENCED
    assert advance(redis_url, token, 7).outcome == SET


def test_redis_was_emptied(redis: Redis, redis_url: str, token: int) -> None:
    advance(redis_url, token, 7)
    redis.flushall()
    assert advance(redis_url, token, 9, last=7) == Watermark(EMPTIED, None)
    assert read(redis_url) is None
    assert advance(redis_url, token, 2) == Watermark(SET, 2)


@pytest.mark.parametrize("key", [WATERMARK, keys.watermark_spools(FEED)])
def test_each_key_that_vanishes_is_a_loss(redis: Redis, redis_url: str, token: int, key: str) -> None:
    advance(redis_url, token, 7)
    redis.delete(key)
    assert read(redis_url) is None
    assert advance(redis_url, token, 9, last=7) == Watermark(EMPTIED, None)


def test_redis_was_set_back(redis_url: str, token: int) -> None:
    """A machine that lost its power gives back an append-only file without its last second."""
    advance(redis_url, token, 7)
    assert advance(redis_url, token, 12, last=11) == Watermark(EMPTIED, 7)
    assert read(redis_url) == 7


def test_each_spool_has_its_own(redis: Redis, redis_url: str, token: int) -> None:
    advance(redis_url, token, 1000, spool="box-a")
    assert read(redis_url, "box-b") is None
    assert advance(redis_url, token, 3, spool="box-b") == Watermark(SET, 3)
    assert redis.get(WATERMARK) == b"3"
    assert (read(redis_url, "box-a"), read(redis_url, "box-b")) == (1000, 3)
    assert advance(redis_url, token, 1001, last=1000, spool="box-a") == Watermark(SET, 1001)


def test_in_a_full_redis_it_is_told_all_the_same(redis: Redis, redis_url: str, token: int) -> None:
    redis.config_set("maxmemory", 1)
    try:
        assert advance(redis_url, token, 7).outcome == SET
    finally:
        redis.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("position", "text"),
    [(0, "0"), (0, "x"), (2, "-1"), (2, ""), (2, "1.5"), (2, "9007199254740992"), (3, "x"), (4, "back"), (4, "")],
)
def test_bad_arguments_change_nothing(redis: Redis, token: int, position: int, text: str) -> None:
    loader.ensure(redis)
    words = list(checkpoint.watermark_args(FEED, token, 7, last=None, spool="", forced=False))
    words[3 + 4 + position] = text
    with pytest.raises(ResponseError, match="BADARG"):
        redis.execute_command(*words)
    with pytest.raises(ResponseError, match="BADARG usage: set_watermark"):
        redis.execute_command(*words[:-1])
    assert not redis.exists(WATERMARK)
