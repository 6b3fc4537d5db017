"""How far a repair has come outlives the process, symbol by symbol."""

from __future__ import annotations

from redis import Redis

from ingest.repair.missed_spikes import Missed
from ingest.repair.progress import Progress, note
from tests.ingest.repair.harness import Harness, run

SPIKES = [Missed("A", 2_000, "up", 1.5), Missed("A", 1_000, "down", 2.5)]


def test_another_process_goes_on_where_this_one_was(redis: Redis, redis_url: str) -> None:
    async def test() -> None:
        async with Harness(redis_url) as made:
            gaps = [Progress(made.client, "stocks", name) for name in ("g1", "g2")]
            done, begun = gaps[0].outcome("A"), gaps[0].outcome("B")
            done.bars, done.spikes, done.whole = 7, SPIKES, True
            begun.bars, begun.lost = 3, True
            gaps[1].outcome("A").bars = 1
            await note(made.client, gaps, "A")
            await note(made.client, gaps[:1], "B")
            again = [Progress(made.client, "stocks", name) for name in ("g1", "g2")]
            for one in again:
                await one.read()
            assert (again[0].done, again[0].bars, again[0].lost) == ({"A"}, 10, True)
            assert again[0].spikes == sorted(SPIKES, key=lambda spike: spike.t)
            assert again[0].outcome("B") == begun
            assert (again[1].done, again[1].bars, again[1].lost) == (set(), 1, False)
            await gaps[0].forget()
            fresh = Progress(made.client, "stocks", "g1")
            await fresh.read()
            assert (fresh.done, fresh.bars) == (set(), 0)

    run(test())


def test_nothing_is_noted_for_no_gap(redis: Redis, redis_url: str) -> None:
    async def test() -> None:
        async with Harness(redis_url) as made:
            await note(made.client, [], "A")
            assert redis.dbsize() == 0

    run(test())
