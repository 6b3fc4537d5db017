"""The hot path from events to candles, in the test's own process and on a real Redis."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from redis import Redis

from ingest.bars.minute_bars import FillRemoved
from ingest.late_data_writer import LateDataLane
from ingest.pipeline import Found, Pipeline, parts
from ingest.velocity_rule import VelocityConfig
from market.bar import Bar
from market.price import vwap
from market.sessions import TradingDay, day_of
from market.timeframes import parse
from redis_functions.availability import Availability
from redis_functions.contract.alerts import Alert
from redis_functions.contract.schema import Schema
from redis_functions.lua import loader
from redis_functions.lua.calls import make_way_args
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect_async
from redis_functions.write.writer import Writer
from vendor.vendors import DEFAULT

#: A wall clock that calls nothing the future.
LATER = 4_000_000_000_000


class Path:
    """A pipeline with its writer and the lane of its late data; `alerts` and `days` gather what it finds."""

    def __init__(self, url: str, **options: Any) -> None:
        self._frames = 0
        self.alerts: list[Alert] = []
        self.days: list[TradingDay] = []
        schema = options.pop("schema", Schema())
        self.client = connect_async(url)
        self.writer = Writer(url, schema)
        self.late_data = LateDataLane(self.client, self.writer, schema.lateness_ms, self, Availability())
        self.pipeline = Pipeline(
            schema,
            options.pop("velocity", VelocityConfig()),
            decode=DEFAULT.decoder(),
            minutes_subscribed=options.pop("minutes_subscribed", False),
            clock=options.pop("now_ms", lambda: LATER),
        )
        assert not options

    async def frame(self, *events: dict[str, Any], received_ms: int = 0) -> None:
        """Processes one frame of the feed, received at that time (0: now)."""
        self._frames += 1
        for part in parts(self.pipeline.decode(json.dumps(events).encode(), self._frames, received_ms)):
            self.act(self.pipeline.step(part, self.writer.waiting))

    def act(self, found: Found) -> None:
        """What the engine does with what a step found; alerts and days are gathered."""
        for write in found.writes:
            if isinstance(write, FillRemoved):
                self.writer.put_command(*make_way_args(*write))
            else:
                self.writer.put(*write)
        self.alerts += found.alerts
        for late in (*found.late, *found.unsure):
            self.late_data.put(self.pipeline.number, late)
        if found.day is not None:
            self.days.append(found.day)

    def fill(self, bars: list[Bar]) -> None:
        self.act(self.pipeline.fill(bars))

    async def settle(self) -> None:
        """Everything that is held back is written, and Redis has it."""
        self.act(self.pipeline.drain())
        await self.late_data.emptied()
        await self.writer.flushed()


@asynccontextmanager
async def running(url: str, **options: Any) -> AsyncIterator[Path]:
    patience_s = options.pop("patience_s", 30)
    path = Path(url, **options)
    await loader.ensure_async(path.client)
    tasks = [
        asyncio.create_task(path.writer.run()),
        asyncio.create_task(path.late_data.run()),
    ]
    try:
        async with asyncio.timeout(patience_s):
            yield path
            await path.settle()
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await path.client.aclose()


def feed(url: str, frames: Iterable[Sequence[dict[str, Any]]], **options: Any) -> Path:
    """Sends `frames` through a new hot path; returns when everything is written."""

    async def work() -> Path:
        async with running(url, **options) as path:
            for frame in frames:
                await path.frame(*frame)
        return path

    return asyncio.run(work())


def candles(redis: Redis, symbol: str, timeframe: str) -> dict[int, tuple[Any, ...]]:
    """``{start: (o, h, l, c, v, vw)}`` with decimal prices, as the bridge reads them."""
    (found,) = read_candles(redis, [symbol], parse(timeframe), 0, LATER, 5_000)
    rows = zip(found.t.tolist(), found.fields.T.tolist(), strict=True)
    return {t: (o / 1e4, h / 1e4, low / 1e4, c / 1e4, v, vwap(n, v)) for t, (o, h, low, c, v, n) in rows}


def market(redis_url: str, *frames: list[dict[str, Any]], closes: dict[str, float] | None = None) -> Path:
    """A hot path that took `frames`, with previous closes from the first one on."""

    async def work() -> Path:
        async with running(redis_url) as path:
            await path.frame(*frames[0])
            if closes:
                path.pipeline.velocity.set_previous_closes(day_of(frames[0][0]["s"]), closes)
            for frame in frames[1:]:
                await path.frame(*frame)
        return path

    return asyncio.run(work())
