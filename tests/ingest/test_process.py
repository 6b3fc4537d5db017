"""A daemon that takes over the feed learns from the store how far the former owner had come."""

from __future__ import annotations

import asyncio
from pathlib import Path

from redis import Redis

from ingest.process import newest_stored
from market.bar import Bar
from redis_functions.server import embedded
from redis_functions.server.connection import connect_async
from tests.support import write_bars

T0 = 1_760_094_000_000


def newest(url: str) -> int | None:
    async def go() -> int | None:
        async with connect_async(url) as client:
            return await newest_stored(client)

    return asyncio.run(go())


def test_the_newest_second_of_all_symbols(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [Bar(sym, T0 + s * 1_000, 1, 1, 1, 1, 1, 1) for sym, s in (("A", 3), ("B", 7), ("C", 5))])
    assert newest(redis_url) == T0 + 7_000


def test_a_second_of_volume_alone_counts_and_a_minute_mark_as_its_minute(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [Bar("A", T0, None, None, None, None, 5, 1), Bar("B", T0 + 1, 1, 1, 1, 1, 1, 1)])
    assert newest(redis_url) == T0


def test_nothing_is_known_of_an_empty_store_nor_of_one_that_does_not_answer(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    assert newest(redis_url) is None
    assert newest(embedded.url(tmp_path)) is None
