"""A feed at work for the tests of `vendor/massive/feed.py`, with waits cut short."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.fake_vendor import KEY, Vendor
from vendor.interface import FeedConfig
from vendor.massive.feed import WebSocketFeed
from vendor.massive.topics import parse_topics

T = 1_760_103_000_000


class Reader:
    """A running feed with the frames that it delivered and the states that it reported."""

    def __init__(self, vendor: Vendor, topics: str = "A.*", key: str = KEY, stall: float = 30) -> None:
        self.frames: asyncio.Queue[bytes] = asyncio.Queue()
        self.feed = WebSocketFeed(FeedConfig(vendor.url, key, parse_topics(topics), stall), self)
        self.markets: list[str] = []
        self.states: list[str] = []
        self.task = asyncio.create_task(self.feed.run())

    async def greeted(self, market: str) -> None:
        self.markets.append(market)

    def frame(self, frame: bytes) -> None:
        self.frames.put_nowait(frame)

    def connected(self) -> None:
        self.states.append("connected")

    def disconnected(self, reason: str) -> None:
        self.states.append(reason)

    async def until(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(20):
            while not true():
                if self.task.done():
                    self.task.result()
                    raise AssertionError("the feed ended")
                await asyncio.sleep(0.002)

    async def next_frame(self) -> Any:
        async with asyncio.timeout(20):
            return json.loads(await self.frames.get())

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


def with_vendor(work: Callable[[Vendor], Awaitable[None]]) -> None:
    async def main() -> None:
        async with Vendor() as vendor:
            await work(vendor)

    asyncio.run(main())
