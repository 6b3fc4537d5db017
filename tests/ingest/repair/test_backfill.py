"""Repaired bars among live ones: what the market state records of them, and what they must not change."""

from __future__ import annotations

import asyncio
import json

import pytest
from redis import Redis

from ingest.bars.market_state import MarketState
from ingest.bars.minutes import Known
from ingest.pipeline import Pipeline
from ingest.repair.backfill import Backfill
from ingest.velocity_rule import VelocityConfig
from market.bar import MINUTE_MS, Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.write.writer import Writer
from tests.ingest.repair.harness import LATER, Harness, at, bar
from vendor.vendors import DEFAULT


def make(*, built: bool = False, minutes_only: bool = False) -> tuple[MarketState, Backfill]:
    """A state and its backfill, without a Redis behind the writer."""
    pipeline = Pipeline(Schema(), VelocityConfig(), decode=DEFAULT.decoder(), minutes_subscribed=False)
    backfill = Backfill(pipeline, Writer("redis://127.0.0.1:1", Schema()), minutes_only=minutes_only)
    backfill.built = lambda symbol: built
    return pipeline.tape, backfill


def test_what_live_bars_told_is_not_missing() -> None:
    state, backfill = make()
    state.take([bar("A", 5), bar("A", 65)], LATER)
    received = [bar("A", 4), bar("A", 5), bar("A", 66), bar("B", 5)]
    assert backfill.missing(received) == [received[0], received[2], received[3]]
    state.minutes.fill(state.number("A"), bar("A", 120)._replace(span=MINUTE_MS))
    assert backfill.missing([bar("A", 130)]) == []
    minutes = [Bar("A", at(60 * i), 1, 1, 1, 1, 1, 1, MINUTE_MS) for i in range(4)]
    assert backfill.missing(minutes) == [minutes[3]]


def test_a_repaired_second_is_known_to_the_minute_bar_that_comes_later() -> None:
    state, backfill = make()
    state.take([bar("A", 0), bar("A", 300)], LATER)
    seconds = [bar("A", s, volume=10) for s in (60, 70)]
    backfill.store(seconds)
    minute = Bar("A", at(60), 1, seconds[0].h, seconds[0].l, 1, 20, 1, MINUTE_MS)
    assert state.minutes.compare(state.number("A"), minute) is Known.SAME
    assert backfill.missing(seconds) == []


@pytest.mark.parametrize(("built", "volume"), [(True, 350), (False, 300)])
def test_the_volume_of_the_day(built: bool, volume: float) -> None:
    """The vendor's volume of the day includes the gap; a sum of bars built here does not."""
    state, backfill = make(built=built)
    live = bar("A", 300, volume=100)
    state.take([bar("A", 0)._replace(av=100 if not built else None), live._replace(av=None if built else 300)], LATER)
    if built:
        state.take([bar("A", 310, volume=100)], LATER)
    backfill.store([bar("A", 60, volume=50)])
    backfill.store([bar("A", 60, volume=50)])
    assert state.volume[state.number("A")] == volume


def test_a_bar_of_another_day_adds_nothing_to_today() -> None:
    state, backfill = make(built=True)
    state.take([bar("A", 0), bar("A", 24 * 3600)], LATER)
    before = state.volume.copy()
    backfill.store([bar("A", 60)])
    assert (state.volume == before).all()


def test_only_a_newer_bar_becomes_the_newest(redis: Redis, redis_url: str) -> None:
    async def go() -> None:
        async with Harness(redis_url) as harness:
            harness.hear([bar("A", 100, 500_000)])
            harness.live.store([bar("A", 50, 400_000), bar("A", 60, 400_000)])
            await harness.live.stored()
            assert json.loads(redis.get(keys.latest("A")) or b"")["t"] == at(100)
            assert harness.tape.last[0] == 50.0001
            harness.live.store([bar("A", 120, 600_000), bar("A", 130, 600_000)])
            await harness.live.stored()
            assert json.loads(redis.get(keys.latest("A")) or b"")["t"] == at(130)
            assert (harness.live.newest("A"), harness.live.clock, harness.tape.last[0]) == (at(130), at(130), 60.0001)
            assert harness.live.newest("B") is None
            assert [c[0] for c in harness.candles("A", "1s")] == [at(s) for s in (50, 60, 100, 120, 130)]

    asyncio.run(go())


def test_many_bars_fractions_and_fields_that_are_not_set(redis: Redis, redis_url: str) -> None:
    bars = [bar("A", s, 500_000 + s, 0.125 * (s + 1)) for s in range(0, 300, 2)]
    bars[3] = Bar("A", bars[3].t, None, None, None, None, 7, 70)
    bars[4] = bars[4]._replace(n=None)

    async def go() -> None:
        async with Harness(redis_url) as harness:
            harness.hear([bar("A", 400)])
            harness.live.store(bars)
            await harness.live.stored()
            rows = {c[0]: c for c in harness.candles("A", "1s")}
            for one in (b for b in bars if b.o is not None):
                assert rows[one.t][1:6] == (one.o, one.h, one.l, one.c, one.v)
            assert bars[3].t not in rows
            assert rows[bars[4].t][6] < 0
            assert redis.execute_command("TS.GET", keys.series("A", "1m", "volume"))

    asyncio.run(go())


def test_a_late_live_bar_does_not_restore_a_price_older_than_the_repaired_one() -> None:
    state, backfill = make()
    state.take([bar("A", 100, 500_000)], LATER)
    backfill.store([bar("A", 200, 600_000)])
    state.take([bar("A", 150, 550_000)], LATER)
    assert state.last[0] == 60.0001
