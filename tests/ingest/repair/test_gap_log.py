"""A gap is a record: it begins once, ends with the next data, and waits for Redis and for the lease."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from ingest import outbox as module
from ingest.repair.gap_log import LEAST_MS, Fields, GapLog
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.read.gaps import OPEN, read_gaps
from redis_functions.server.connection import connect_async
from redis_functions.write.lease import Lease

T = 1_760_104_800_000


def recorded(redis: Redis) -> list[tuple[int | None, int | None, str, str]]:
    """(start, end, reason, state) of each gap."""
    return [(g.start, g.end, g.reason, g.state) for g in read_gaps(redis, "stocks")]


class Harness:
    """A running gap log with a lease of its own."""

    def __init__(self, url: str) -> None:
        self.client = connect_async(url)
        self.lease = Lease(self.client, "stocks", "the test", missing_s=0, poll_s=0.01)
        self.closed: list[tuple[Fields, int]] = []
        self.gaps = GapLog(self.client, "stocks", "spool", self.lease, Availability())

    def data(self, number: int, clock: int) -> None:
        self.closed += [(gap, number) for gap in self.gaps.data(number, clock)]

    async def take_lease(self) -> None:
        await self.lease.wait()
        assert self.lease.token


@asynccontextmanager
async def logging_gaps(url: str, lease: bool = True) -> AsyncIterator[Harness]:
    harness = Harness(url)
    task = asyncio.create_task(harness.gaps.run())
    try:
        async with asyncio.timeout(20):
            if lease:
                await harness.take_lease()
            yield harness
            await harness.gaps.emptied()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await harness.client.aclose()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)


def test_a_gap_is_open_until_data_comes_after_the_feed_is_back(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            harness.gaps.begin(7, T, "connection lost")
            await harness.gaps.emptied()
            assert recorded(redis) == [(T, None, "connection lost", OPEN)]
            harness.data(8, T + 1_000)  # received before the connection was back: of the time before
            assert harness.gaps.is_open
            harness.gaps.resume()
            assert harness.gaps.is_open
            harness.data(9, T + 60_000)
            assert not harness.gaps.is_open
            harness.data(10, T + 61_000)
        assert [(f["gap"], f["to"], n) for f, n in harness.closed] == [("spool:7", str(T + 60_000), 9)]

    asyncio.run(work())
    assert recorded(redis) == [(T, T + 60_000, "connection lost", OPEN)]
    assert redis.xlen(keys.gaps("stocks")) == 2


def test_before_any_data_nothing_can_be_missing(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            harness.gaps.begin(1, 0, "connection lost")
            harness.gaps.single(2, 0, "damaged")
            harness.gaps.resume()
            harness.data(3, T)
            assert harness.closed == []

    asyncio.run(work())
    assert read_gaps(redis, "stocks") == []


def test_losses_in_a_row_without_data_between_are_one_gap(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            for number in range(1, 6):
                harness.gaps.begin(number, T, f"try {number}")
            harness.gaps.resume()
            harness.data(6, T + 5_000)

    asyncio.run(work())
    assert recorded(redis) == [(T, T + 5_000, "try 1", OPEN)]


def test_a_gap_has_a_length_even_where_the_clock_did_not_move(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            harness.gaps.single(1, T, "a record was damaged")
            harness.data(2, T)

    asyncio.run(work())
    assert [g.end for g in read_gaps(redis, "stocks")] == [T + LEAST_MS]


def test_told_again_by_a_replay_it_changes_nothing(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            for _ in range(2):
                harness.gaps.begin(7, T, "connection lost")
                harness.gaps.resume()
                harness.data(9, T + 60_000)

    asyncio.run(work())
    assert redis.xlen(keys.gaps("stocks")) == 2


def test_an_earlier_runs_gap_is_ended_by_this_ones_data(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            harness.gaps.restore(
                [{"gap": "spool:3", "symbols": "*", "from": str(T), "to": "", "reason": "x", "state": OPEN}]
            )
            assert harness.gaps.is_open
            harness.gaps.resume()
            harness.data(9, T + 60_000)

    asyncio.run(work())
    assert [(g.start, g.end) for g in read_gaps(redis, "stocks")] == [(T, T + 60_000)]


def test_without_the_lease_records_wait(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url, lease=False) as harness:
            harness.gaps.begin(7, T, "connection lost")
            await asyncio.sleep(0.05)
            assert read_gaps(redis, "stocks") == []
            assert harness.gaps.oldest == 7
            await harness.take_lease()
            await harness.gaps.emptied()
            assert harness.gaps.oldest is None

    asyncio.run(work())
    assert len(read_gaps(redis, "stocks")) == 1


def test_what_came_before_the_first_start_is_a_gap_that_has_ended(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with logging_gaps(redis_url) as harness:
            for _ in range(2):  # again after a crash: the same record
                harness.gaps.before_start(3, T - 3_600_000, T)
            harness.gaps.before_start(4, T, T + LEAST_MS - 1)
            harness.gaps.begin(3, T, "connection lost")

    asyncio.run(work())
    assert recorded(redis) == [
        (T - 3_600_000, T, "not running", OPEN),
        (T, None, "connection lost", OPEN),
    ]
