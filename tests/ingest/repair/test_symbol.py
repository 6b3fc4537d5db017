"""The repair of one symbol: what is missing is written and counted, and unusable rows leave it unfinished."""

from __future__ import annotations

import pytest
from redis import Redis

from ingest.repair.progress import Outcome
from ingest.repair.symbol import Part, SymbolRepair, UnusableRows
from ingest.velocity_rule import VelocityConfig
from tests.ingest.repair.harness import Harness, at, received, run, tape, truth_of


def repair_of(made: Harness) -> SymbolRepair:
    return SymbolRepair(made.client, made.vendor, made.live, made.schema, VelocityConfig())


def test_missing_seconds_are_written_and_counted(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 300)
    live = received(truth, 100, 200)

    async def test() -> None:
        async with Harness(redis_url, truth) as made:
            made.hear(live)
            await made.writer.flushed()
            outcome = Outcome()
            await repair_of(made).repair("A", [Part(at(100), at(200), outcome)])
            await made.writer.flushed()
            assert (outcome.bars, outcome.lost) == (len(truth) - len(live), False)
            assert made.candles("A", "1s") == truth_of(truth, "1s")
            assert made.candles("A", "1m") == truth_of(truth, "1m")

    run(test())


def test_a_second_repair_writes_nothing(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 120)

    async def test() -> None:
        async with Harness(redis_url, truth) as made:
            made.hear(truth)
            await made.writer.flushed()
            outcome = Outcome()
            await repair_of(made).repair("A", [Part(at(30), at(60), outcome)])
            assert (outcome.bars, outcome.lost) == (0, False)

    run(test())


def test_unusable_rows_leave_it_unfinished_with_the_rest_written(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 120)

    async def test() -> None:
        async with Harness(redis_url, truth) as made:
            made.hear(received(truth, 30, 60))
            made.vendor.spoils["A"] = 1
            await made.writer.flushed()
            outcome = Outcome()
            with pytest.raises(UnusableRows):
                await repair_of(made).repair("A", [Part(at(30), at(60), outcome)])
            assert outcome.bars > 0

    run(test())
