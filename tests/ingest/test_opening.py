"""What an engine begins with: the state that the store holds, as far as it can be one."""

from __future__ import annotations

import asyncio
import math

import pytest
from redis import Redis

from ingest.bars.halts import Halts
from ingest.bars.market_state import MarketState
from ingest.opening import Contents, read_contents
from market.bar import Bar
from market.sessions import day_of
from redis_functions.contract import keys
from redis_functions.server.connection import connect_async
from tests.support import write_bars

T = 1_760_104_800_000  # 10:00 in New York, a Friday


def restored(redis_url: str) -> tuple[MarketState, Halts]:
    async def read() -> Contents:
        async with connect_async(redis_url) as client:
            return await read_contents(client, "stocks", "spool")

    tape, halts = MarketState(3_600_000), Halts()
    asyncio.run(read()).restore(tape, halts)
    return tape, halts


def test_prices_volumes_and_halts_are_those_of_the_store(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [Bar("A", T, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 10, 10_000_000)])
    redis.hset(keys.HALTED, "A", T)
    tape, halts = restored(redis_url)
    assert (tape.last[0], tape.newest[0], tape.priced[0]) == (100.0, T, T)
    assert halts.since == {"A": T}
    tape.take([Bar("A", T + 1000, 1, 1, 1, 1, 5, 5)], T + 1000)
    assert (tape.day, tape.volume[0]) == (day_of(T), 15)


@pytest.mark.parametrize("close", [1e12, 0, -3])
def test_a_stored_close_that_cannot_be_a_price_is_not_the_last_price(
    redis: Redis, redis_url: str, close: float
) -> None:
    write_bars(redis, [Bar("A", T, 1, 1, 1, 1, 10, 10)])
    redis.execute_command("TS.ADD", keys.series("A", "1s", "close"), T + 1000, close)
    tape, _ = restored(redis_url)
    assert math.isnan(tape.last[0])
    assert tape.newest[0] == T + 1000


def test_an_empty_store_has_nothing_to_restore(redis: Redis, redis_url: str) -> None:
    tape, halts = restored(redis_url)
    assert (tape.symbols, tape.day, len(halts)) == ([], None, 0)
