"""The vendor replays nothing after a reconnect: what may be missing is written down, from when to when, and why."""

import asyncio

from redis import Redis

from redis_functions.read.gaps import Gap, read_gaps
from tests.ingest.repair.test_gap_log import logging_gaps

T = 1_760_104_800_000


def test_it_opens_with_the_loss_and_ends_with_the_first_data_after(redis: Redis, redis_url: str) -> None:
    async def lose_and_resume() -> Gap:
        async with logging_gaps(redis_url) as harness:
            harness.gaps.begin(1, T, "connection lost")
            await harness.gaps.emptied()
            (open_gap,) = read_gaps(redis, "stocks")
            harness.gaps.resume()
            harness.gaps.data(2, T + 60_000)
            return open_gap

    assert asyncio.run(lose_and_resume()).end is None
    (gap,) = read_gaps(redis, "stocks")
    assert (gap.start, gap.end, gap.reason) == (T, T + 60_000, "connection lost")
