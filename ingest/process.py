"""The ingest process: what it is made of, how it starts, and how it ends without leaving anything unwritten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.alerting import Alerting
from ingest.buffer import Buffer
from ingest.condition_refresh import refreshed
from ingest.decode import Decoded
from ingest.feed import Feed, FeedConfig
from ingest.gaps import GapLog
from ingest.pipeline import SLICE, Pipeline, VelocityConfig
from ingest.previous_close import previous_closes
from ingest.report import Reporter
from ingest.second_look import SecondLook
from market.sessions import TradingDay
from redis_functions import keys, loader
from redis_functions.connection import connect_async
from redis_functions.schema import Schema
from redis_functions.writer import Writer

log = logging.getLogger("tapewatch.ingest")

#: What is left at shutdown gets so long to reach Redis.
FAREWELL_S = 6.0
IDLE_CHECK_S = 0.25
REDIS_RETRY_S = 0.2


@dataclass(frozen=True)
class IngestConfig:
    """All that the process needs to know; built from the settings by `tapewatch ingest`."""

    redis_url: str
    feed: FeedConfig
    feed_name: str = "stocks"
    rest_url: str = ""
    buffer_bytes: int = 64 << 20
    schema: Schema = field(default_factory=Schema)
    velocity: VelocityConfig = field(default_factory=VelocityConfig)


class Ingest:
    """Puts the parts together and runs them until `stop` is set."""

    def __init__(self, config: IngestConfig, on_ready: Callable[[], None], on_beat: Callable[[], None]) -> None:
        self._config = config
        self._on_ready = on_ready
        self._on_beat = on_beat
        self._client: Redis = connect_async(config.redis_url)
        self._buffer = Buffer(config.buffer_bytes)
        self._writer = Writer(config.redis_url, config.schema)
        self._alerting = Alerting(self._client, config.velocity.cooldown_s * 1000)
        self._gaps = GapLog(self._client, config.feed_name)
        self._second_look = SecondLook(self._client, self._writer)
        self._days: asyncio.Queue[TradingDay] = asyncio.Queue()
        self._pipeline = Pipeline(
            config.schema,
            config.velocity,
            self._writer,
            on_alert=self._alerting.put,
            on_late=self._second_look.put,
            on_unsure=self._second_look.put,
            on_day=self._days.put_nowait,
            minutes_subscribed=any(topic.startswith("AM.") for topic in config.feed.topics),
        )
        self._feed = Feed(config.feed, self._buffer, self)
        self._reporter = Reporter(self._client, self._pipeline, self._statistics)
        self._resumed = False
        self._opened = asyncio.Event()  # what the store already knew has been learnt

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set, then writes what is left. Raises feed.Refused when trying again will not help.

        The feed is read from the first moment, also while Redis is away: what it says waits in the hand-off.
        """
        parts: list[Coroutine[Any, Any, None]] = [
            self._writer.run(),
            self._alerting.run(),
            self._gaps.run(),
            self._second_look.run(self._pipeline.store, self._pipeline.minute_bars.fill),
            self._fetch_closes(),
            self._refresh_conditions(),
            self._report(),
            self._tend(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        feed = asyncio.create_task(self._feed.run())
        worker = asyncio.create_task(self._work())
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([feed, worker, stopped, *tasks], return_when=asyncio.FIRST_COMPLETED)
            await self._end(feed, worker)
            for task in done - {stopped}:
                task.result()  # a part that ended by itself did so with an error
        finally:
            for task in (feed, worker, stopped, *tasks):
                task.cancel()
            await asyncio.gather(feed, worker, stopped, *tasks, return_exceptions=True)
            await self._client.aclose()

    async def _end(self, feed: asyncio.Task[None], worker: asyncio.Task[None]) -> None:
        """The feed first (with its close frame), then what was read, then what waits for Redis."""
        feed.cancel()
        await asyncio.gather(feed, return_exceptions=True)
        self._buffer.close()
        try:
            async with asyncio.timeout(FAREWELL_S):
                if self._opened.is_set():
                    await asyncio.gather(worker, return_exceptions=True)
                self._pipeline.drain()
                await self._second_look.done()
                await self._writer.flushed()
                await self._alerting.done()
                await self._gaps.done()
        except TimeoutError:
            log.warning("Redis did not take everything within %g s: %d bars are left", FAREWELL_S, self._writer.waiting)
        with contextlib.suppress(RedisError):
            await self._client.delete(keys.metrics("ingest"))
        log.info("stopped after %d bars of %d symbols", self._pipeline.counts.bars, len(self._pipeline.tape.symbols))

    # --- the start

    async def _open_store(self) -> None:
        """Waits for Redis, loads the functions, and learns what the store already knows of each symbol."""
        told = False
        while True:
            try:
                await loader.ensure_async(self._client)
                names = sorted(
                    str(name, "utf-8") for name in await self._client.smembers(keys.SYMBOLS) if isinstance(name, bytes)
                )
                break
            except RedisError as error:
                if not told:
                    log.warning("waiting for Redis: %s", error)
                    told = True
                await asyncio.sleep(REDIS_RETRY_S)
        pipe = self._client.pipeline(transaction=False)
        for name in names:
            pipe.get(keys.latest(name))
        for name, text in zip(names, await pipe.execute(raise_on_error=False), strict=True):
            if isinstance(text, bytes):
                bar = orjson.loads(text)
                self._pipeline.tape.restore(name, int(bar["t"]), bar["c"])
        self._writer.known.update(names)
        if names:
            log.info("the store knows %d symbols", len(names))

    # --- the work

    async def _work(self) -> None:
        await self._open_store()
        self._opened.set()
        self._on_ready()
        while (frame := await self._buffer.get()) is not None:
            found = self._pipeline.frame(frame)
            for part in _slices(found):
                self._pipeline.work(part)
                await asyncio.sleep(0)
                await self._writer.room()
            if not self._resumed and found.events:
                self._resumed = True
                self._gaps.end(self._pipeline.tape.clock)

    async def _report(self) -> None:
        await self._opened.wait()
        await self._reporter.run()

    async def _tend(self) -> None:
        """What must happen though nothing arrives: held bars are released, systemd is told that the loop turns."""
        while True:
            await asyncio.sleep(IDLE_CHECK_S)
            self._pipeline.idle()
            self._on_beat()

    async def _refresh_conditions(self) -> None:
        """Once, and only where trades are built into bars."""
        config = self._config
        if config.rest_url and any(topic.startswith("T.") for topic in config.feed.topics):
            table = await refreshed(config.rest_url, config.feed.key)
            if table is not None:
                self._pipeline.trade_bars.refresh(table)
        await asyncio.Event().wait()

    async def _fetch_closes(self) -> None:
        while True:
            day = await self._days.get()
            try:
                closes = await previous_closes(
                    self._client, day, list(self._pipeline.tape.symbols), self._config.rest_url, self._config.feed.key
                )
                self._pipeline.set_previous_closes(day, closes)
            except RedisError as error:
                log.warning("no previous closes: %s", error)

    # --- told by the feed

    def connected(self) -> None:
        self._resumed = False

    def disconnected(self, reason: str) -> None:
        self._gaps.begin(reason, self._pipeline.tape.clock)

    def shed(self, frames: int) -> None:
        self._gaps.begin("overload", self._pipeline.tape.clock)
        self._resumed = False

    def _statistics(self) -> dict[str, float]:
        return {
            "connected": float(self._feed.is_connected),
            "reconnects": max(0, self._feed.connections - 1),
            "buffered_bytes": self._buffer.bytes,
            "frames_dropped": self._buffer.dropped,
            "waiting_bars": self._writer.waiting,
            "gaps_open": float(self._gaps.is_open),
            "alerts": self._alerting.counts.raised,
        }


def _slices(found: Decoded) -> list[Decoded]:
    """A large frame in parts, so that the socket, the reports and the alerts get their turn in between."""
    if found.events <= SLICE:
        return [found]
    parts = []
    for begin in range(0, max(len(found.bars), len(found.minutes), len(found.trades), 1), SLICE):
        part = Decoded()
        part.bars = found.bars[begin : begin + SLICE]
        part.minutes = found.minutes[begin : begin + SLICE]
        part.trades = found.trades[begin : begin + SLICE]
        part.halts = found.halts if begin == 0 else []
        parts.append(part)
    return parts
