"""The ingest process: feed -> spool -> engine -> Redis; how it starts, and how it ends without leaving anything unwritten."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.clock import Clock
from ingest.engine import Engine, EngineConfig, newest_stored
from ingest.feed_lease import FeedLease
from ingest.frame_queue import FrameQueue
from ingest.spool.errors import SpoolLocked
from ingest.spool.log import Spool
from ingest.stage_latency import StageLatency
from ingest.store_market import StoreMarket
from ingest.tasks import ended
from ingest.watchlists import Watched
from redis_functions.server.connection import connect_async
from redis_functions.write.lease import Lease, new_owner
from redis_functions.write.process_metrics import withdraw
from redis_functions.write.store_stamp import VENDOR
from redis_functions.write.writer import StoreEmptied
from vendor.interface import FeedConfig, RestConfig

log = logging.getLogger("tapewatch.ingest")

#: What is left at shutdown gets so long to reach Redis; what does not stays in the spool for the next start.
FAREWELL_S = 6.0
FSYNC_S = 0.2
BEAT_S = 0.5
LOCKED_RETRY_S = 0.5
STANDBY_LOOK_S = 0.5


@dataclass(frozen=True)
class IngestConfig:
    """All that the process needs to know; built from the settings by `tapewatch ingest`."""

    engine: EngineConfig
    feed: FeedConfig
    spool_dir: Path
    rest: RestConfig | None = None
    spool_bytes: int = 2 << 30
    spool_age_s: float = 86_400.0
    memory_bytes: int = 64 << 20


class Ingest:
    """Puts the parts together and runs them until `stop` is set."""

    def __init__(self, config: IngestConfig, on_ready: Callable[[], None], on_beat: Callable[[], None]) -> None:
        self._config = config
        self._on_ready = on_ready
        self._on_beat = on_beat
        self._clock = Clock()
        self._client: Redis = connect_async(config.engine.redis_url)
        self._spool = Spool(config.spool_dir, limit_bytes=config.spool_bytes, max_age_s=config.spool_age_s)
        self._market = StoreMarket(self._client, config.engine.feed_name, config.spool_dir)
        self._watched = Watched(self._client, config.engine.vendor)
        self._stages = StageLatency()
        self._feed = config.engine.vendor.feed(config.feed, self)
        self._rest = config.engine.vendor.rest(config.rest) if config.rest else None
        self._intake: FrameQueue | None = None
        self._engine: Engine | None = None
        self._begun = asyncio.Event()  # the feed may be held, or was held

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises FeedRefused and StoreRefused when trying again will not help, SpoolError when the
        disk fails.

        The feed is read from the first moment, also while Redis is away: what it says waits in the spool.
        """
        beat = asyncio.create_task(self._beat())
        stopped = asyncio.create_task(stop.wait())
        try:
            if await self._open_spool(stopped):
                await self._session(stopped)
        finally:
            await ended(beat, stopped)
            if self._rest is not None:
                await self._rest.close()
            self._spool.close()
            await self._client.aclose()

    async def _open_spool(self, stopped: asyncio.Task[bool]) -> bool:
        """Takes the spool, or waits as a standby while another daemon of this box has it; False when stopped meanwhile."""
        told = False
        while not stopped.done():
            try:
                self._spool.open()
                return True
            except SpoolLocked:
                if not told:
                    self._on_ready()
                    log.info("standby: another daemon uses %s", self._config.spool_dir)
                    told = True
                await asyncio.wait([stopped], timeout=LOCKED_RETRY_S)
        return False

    async def _session(self, stopped: asyncio.Task[bool]) -> None:
        name = self._spool_id()
        feed_name = self._config.engine.feed_name
        # The folder is locked: whoever had this name before is dead, so its lease is ours at once.
        lease = Lease(self._client, feed_name, f"{name}@{new_owner().split(':')[0]}")
        intake = self._intake = FrameQueue(
            self._spool, self._config.memory_bytes, self._watched.only, self._clock, self._stages
        )
        holder = asyncio.create_task(FeedLease(self._feed, lease, lambda: self._begin(intake, lease)).run())
        engine = asyncio.create_task(self._engines(intake, name, lease))
        sync = asyncio.create_task(self._sync())
        watched = asyncio.create_task(self._watched.run())
        try:
            done, _ = await asyncio.wait([holder, engine, sync, stopped], return_when=asyncio.FIRST_COMPLETED)
            await self._end(holder, intake, engine)
            for task in done - {stopped}:
                task.result()
        finally:
            await ended(holder, engine, sync, watched)
            await lease.release()
            with contextlib.suppress(RedisError, OSError):
                await withdraw(self._client, "ingest")

    async def _begin(self, intake: FrameQueue, lease: Lease) -> None:
        """The feed may be held: notes, once, that what came since the newest bar in the store is missing, whoever wrote that."""
        if self._begun.is_set():
            return
        newest = await newest_stored(self._client) if lease.token else None
        if newest is not None or self._spool.last >= self._spool.first:
            intake.mark("disconnected", reason="restart", since=str(newest or 0))
        self._begun.set()

    async def _end(self, holder: asyncio.Task[None], intake: FrameQueue, engine: asyncio.Task[None]) -> None:
        """The feed first (with its close frame), then what was read, then what waits for Redis."""
        await ended(holder)
        intake.close()
        if not self._begun.is_set():
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.shield(asyncio.gather(engine, return_exceptions=True))
        except TimeoutError:
            log.warning("Redis did not take everything within %g s: the spool keeps it for the next start", FAREWELL_S)

    async def _engines(self, intake: FrameQueue, name: str, lease: Lease) -> None:
        """One engine after the other: a Redis that was emptied is filled again from the spool, the feed goes on meanwhile.

        A standby has none: what the store holds is learnt when the feed is taken over, and only the holder tells of it.
        """
        await self._until_begun(lease)
        while True:
            await self._market.ready()
            engine = self._engine = Engine(
                self._config.engine, self._client, self._spool, name, intake, self._clock,
                self._rest, token=lambda: lease.token, statistics=self._statistics,
                stages=self._stages, first=self._engine is None,
            )  # fmt: skip
            try:
                await engine.run(self._on_ready)
                counts = engine.pipeline.counts
                log.info("stopped after %d bars of %d symbols", counts.bars, len(engine.pipeline.tape.symbols))
                return
            except StoreEmptied as emptied:
                log.error("Redis was emptied (%s): filling it again from the spool", emptied)

    async def _until_begun(self, lease: Lease) -> None:
        told = False
        while not self._begun.is_set():
            if not told and lease.holder not in ("", lease.owner):
                self._on_ready()
                told = True
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STANDBY_LOOK_S):
                    await self._begun.wait()

    def _spool_id(self) -> str:
        """The name of this spool, made once and kept beside it."""
        path = self._config.spool_dir / "id"
        if not path.exists():
            path.write_text(secrets.token_hex(6))
        return path.read_text().strip()

    async def _sync(self) -> None:
        """Group fsync: what was spooled outlives the machine FSYNC_S later."""
        while True:
            await asyncio.sleep(FSYNC_S)
            await asyncio.to_thread(self._spool.sync)

    async def _beat(self) -> None:
        """Tells systemd that the loop turns."""
        while True:
            self._on_beat()
            await asyncio.sleep(BEAT_S)

    # --- told by the feed

    async def greeted(self, market: str) -> None:
        await self._market.greet(market or VENDOR)

    def frame(self, frame: bytes) -> None:
        assert self._intake is not None
        self._intake.put(frame)

    def connected(self) -> None:
        assert self._intake is not None
        self._intake.mark("connected")

    def disconnected(self, reason: str) -> None:
        assert self._intake is not None
        self._intake.mark("disconnected", reason=reason)

    def _statistics(self) -> dict[str, float]:
        intake, spool = self._intake, self._spool
        assert intake is not None
        return {
            "connected": float(self._feed.is_connected),
            "reconnects": max(0, self._feed.connections - 1),
            "buffered_bytes": intake.memory_bytes,
            "frames_dropped": intake.shed_frames,
            "spool_bytes": spool.bytes,
            "spool_waiting": intake.backlog,
            "spool_corrupt": spool.corrupt,
        }
