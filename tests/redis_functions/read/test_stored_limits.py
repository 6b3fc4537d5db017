"""What nobody could have traded is not read, though it is in the store: others may write these keys too."""

from __future__ import annotations

import asyncio

import numpy as np
import pytest
from redis import Redis

from ingest.bars.halts import Halts
from ingest.bars.market_state import MarketState
from ingest.opening import read_contents
from ingest.previous_close import read_stored
from market.bar import Bar
from market.sessions import day_of
from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.read.candles import VOLUME
from redis_functions.read.reader import read_candles, read_closes
from redis_functions.read.velocity import price, read_velocity_inputs
from redis_functions.server.connection import connect_async
from tests.redis_functions.read.test_reader import T0, read
from tests.support import write_bars

TICKS = 1_000_000


def write_three(redis: Redis, field: str, value: float) -> None:
    """Three bars, of which `field` of the second is overwritten."""
    write_bars(
        redis, [Bar("AAPL", T0 + s * 1_000, TICKS, TICKS + 5, TICKS - 5, TICKS + s, 10, 10 * TICKS) for s in range(3)]
    )
    redis.execute_command("TS.ADD", keys.series("AAPL", "1s", field), T0 + 1_000, value, "ON_DUPLICATE", "LAST")


@pytest.mark.parametrize("field", ["open", "high", "low", "close"])
@pytest.mark.parametrize("value", [0, -5, 10**12, 1e300])
def test_a_second_with_a_price_that_cannot_be_is_no_candle(redis: Redis, field: str, value: float) -> None:
    write_three(redis, field, value)
    assert [candle.t for candle in read(redis, "AAPL", "1s")] == [T0, T0 + 2_000]


@pytest.mark.parametrize(("field", "value"), [("high", 1e300), ("low", -1), ("close", 10**13)])
def test_a_larger_candle_is_made_of_the_rest(redis: Redis, field: str, value: float) -> None:
    write_three(redis, field, value)
    (candle,) = read(redis, "AAPL", "5s")
    assert (candle.o, candle.h, candle.l, candle.c) == (TICKS, TICKS + 5, TICKS - 5, TICKS + 2)


@pytest.mark.parametrize("value", [-1, 1e15, 1e300])
def test_a_volume_that_cannot_be_is_not_in_the_sum(redis: Redis, value: float) -> None:
    write_three(redis, "volume", value)
    (found,) = read_candles(redis, ["AAPL"], parse("5s"), 0, 2**53, 10)
    assert found.fields[VOLUME].tolist() == [20]


def test_a_close_that_cannot_be_has_no_velocity(redis: Redis) -> None:
    write_three(redis, "close", 1e300)
    (closes,) = read_closes(redis, ["AAPL"], 0, 2**53, 100)
    assert (closes.t.tolist(), closes.v.tolist()) == ([T0, T0 + 2_000], [TICKS, TICKS + 2])
    assert np.isnan(price(b"1e300"))


def test_an_engine_begins_without_what_cannot_be(redis: Redis, redis_url: str) -> None:
    """Its state, the closes that it measures against, and what a rule is applied to."""
    write_bars(redis, [Bar("AAPL", T0 + s * 1_000, *[TICKS] * 4, 10, 10 * TICKS) for s in range(3)])
    redis.execute_command("TS.ADD", keys.series("AAPL", "1s", "close"), T0 + 2_000, 1e300, "ON_DUPLICATE", "LAST")
    day = day_of(T0)

    async def all_of_them() -> None:
        client = connect_async(redis_url)
        try:
            contents = await read_contents(client, "stocks", "spool")
            state = MarketState(lateness_ms=0)
            contents.restore(state, Halts())
            assert np.isnan(state.last[state.number("AAPL")])
            assert await read_stored(client, ["AAPL"], day_of(day.end)) == {}
            inputs = await read_velocity_inputs(client, "AAPL", "velocity", T0, T0 + 5_000, [])
            assert [sample.value for sample in inputs.closes] == [TICKS, TICKS]
        finally:
            await client.aclose()

    asyncio.run(all_of_them())
