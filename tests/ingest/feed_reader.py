"""A feed at work for the tests of `ingest/feed.py`, with waits cut short."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from ingest.buffer import Buffer
from ingest.feed import Feed, FeedConfig, parse_topics
from tests.vendor import KEY, Vendor

T = 1_760_103_000_000


class Reader:
    """A feed at work with its buffer, and what its listener was told."""

    def __init__(
        self, vendor: Vendor, topics: str = "A.*", key: str = KEY, limit: int = 1 << 26, stall: float = 30
    ) -> None:
        self.buffer = Buffer(limit)
        self.feed = Feed(FeedConfig(vendor.url, key, parse_topics(topics), stall), self.buffer, self)
        self.told: list[str] = []
        self.task = asyncio.create_task(self.feed.run())

    def connected(self) -> None:
        self.told.append("connected")

    def disconnected(self, reason: str) -> None:
        self.told.append(reason)

    def shed(self, frames: int) -> None:
        self.told.append(f"shed {frames}")

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not true():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the feed ended")
                await asyncio.sleep(0.002)

    async def frame(self) -> Any:
        async with asyncio.timeout(20):
            raw = await self.buffer.get()
        return json.loads(raw or b"null")

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def with_vendor(work: Callable[[Vendor], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Vendor() as vendor:
            await work(vendor)

    asyncio.run(main())
