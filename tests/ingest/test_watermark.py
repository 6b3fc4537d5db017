"""The watermark: behind all that waits, only with the lease, and a store that was emptied is seen by it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from ingest.outbox import Lane, Outbox
from ingest.spool.log import Spool
from ingest.watermark import Watermark
from redis_functions.availability import Availability
from redis_functions.contract.schema import Schema
from redis_functions.lua import loader
from redis_functions.server.connection import connect_async
from redis_functions.write.checkpoint import read_watermark
from redis_functions.write.lease import Lease
from redis_functions.write.writer import StoreEmptied, Writer


class Waiting(Lane[int]):
    """A lane that nobody works off."""

    name = "waiting"

    async def send(self, items: Any) -> int:
        return 0


class Box:
    def __init__(self, url: str, folder: Path) -> None:
        self.client = connect_async(url)
        self.spool = Spool(folder, limit_bytes=1 << 20, max_age_s=3600, fsync=False).open()
        for number in range(10):
            self.spool.append(b"x", number)
        self.writer = Writer(url, Schema())
        self.lane = Waiting(Availability())
        self.lease = Lease(self.client, "stocks", "the test", missing_s=0, poll_s=0.01)
        self.watermark = Watermark(
            self.client, "stocks", self.spool, "spool", self.lease, self.writer, Outbox(self.lane)
        )

    async def stored(self) -> int | None:
        return await read_watermark(self.client, "stocks", "spool")


@asynccontextmanager
async def box(url: str, folder: Path) -> AsyncIterator[Box]:
    made = Box(url, folder)
    try:
        async with asyncio.timeout(20):
            await loader.ensure_async(made.client)
            yield made
    finally:
        made.spool.close()
        await made.client.aclose()


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def test_it_follows_what_redis_acknowledged_and_stays_behind_what_waits(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            await made.lease.wait()
            made.writer.acknowledged = 4
            await made.watermark.advance()
            assert (await made.stored(), made.spool.acknowledged) == (4, 4)
            made.writer.acknowledged = 9
            made.lane.put(7, 0)
            await made.watermark.advance()
            assert (await made.stored(), made.spool.acknowledged) == (6, 6)

    run(go())


def test_without_the_lease_it_stays(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            made.writer.acknowledged = 4
            await made.watermark.advance()
            assert await made.stored() is None

    run(go())


def test_a_store_that_lost_it_was_emptied(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            await made.lease.wait()
            made.writer.acknowledged = 4
            await made.watermark.advance()
            redis.delete("watermark:{stocks}", "watermark:{stocks}:spools")
            made.writer.acknowledged = 5
            with pytest.raises(StoreEmptied, match="the watermark was 4 and is None"):
                await made.watermark.advance()

    run(go())
