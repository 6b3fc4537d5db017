"""The ingest process: feed -> spool -> engine -> Redis; its start, and its end, which writes everything that was received."""

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
from ingest.engine import Engine, EngineConfig, Surroundings
from ingest.feed_lease import FeedLease
from ingest.frame_queue import FrameQueue
from ingest.spool.errors import SpoolLocked
from ingest.spool.log import Spool
from ingest.stage_latency import StageLatency
from ingest.store_market import StoreMarket
from ingest.tasks import ended
from ingest.upkeep import Upkeep
from ingest.watchlists import REFRESH_S, Watched
from redis_functions.availability import Availability
from redis_functions.read.market import read_symbols_async
from redis_functions.read.samples import read_newest
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
#: For the question of what the store holds.
STORE_S = 3.0


@dataclass(frozen=True)
class IngestConfig:
    """What the process is to do, and where; made from the settings by `tapewatch ingest`."""

    engine: EngineConfig
    feed: FeedConfig
    spool_dir: Path
    rest: RestConfig | None = None
    spool_bytes: int = 2 << 30
    spool_age_s: float = 86_400.0
    memory_bytes: int = 64 << 20


class Ingest:
    """Assembles the parts and runs them until `stop` is set."""

    def __init__(self, config: IngestConfig, on_ready: Callable[[], None], on_beat: Callable[[], None]) -> None:
        """`on_ready` is called when the store is open, or as a standby; `on_beat` as long as the event loop turns."""
        self._config = config
        self._on_ready = on_ready
        self._on_beat = on_beat
        self._clock = Clock()
        self._client: Redis = connect_async(config.engine.redis_url)
        self._spool = Spool(config.spool_dir, limit_bytes=config.spool_bytes, max_age_s=config.spool_age_s)
        self._market = StoreMarket(self._client, config.engine.feed_name, config.spool_dir)
        self._watched = Watched(self._client, config.engine.vendor)
        self._availability = Availability()
        self._stages = StageLatency()
        self._feed = config.engine.vendor.feed(config.feed, self)
        self._rest = config.engine.vendor.rest(config.rest) if config.rest else None
        self._queue: FrameQueue | None = None
        self._begun = asyncio.Event()  # the feed may be read, or was read

    async def run(self, stop: asyncio.Event) -> None:
        """Runs until `stop` is set. Raises FeedRefused and StoreRefused when trying again will not help, SpoolError when the
        disk fails.

        The feed is read from the first moment, also while Redis is unreachable: its frames wait in the spool.
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
        is_standby = False
        while not stopped.done():
            try:
                self._spool.open()
                return True
            except SpoolLocked:
                if not is_standby:
                    self._on_ready()
                    log.info("standby: another daemon uses %s", self._config.spool_dir)
                    is_standby = True
                await asyncio.wait([stopped], timeout=LOCKED_RETRY_S)
        return False

    async def _session(self, stopped: asyncio.Task[bool]) -> None:
        name = self._spool_id()
        # The folder is locked, so the former process of this name has ended: its lease can be taken at once.
        owner = f"{name}@{new_owner().split(':')[0]}"
        lease = Lease(self._client, self._config.engine.feed_name, owner)
        queue = FrameQueue(self._spool, self._config.memory_bytes, self._watched, self._clock, self._stages)
        self._queue = queue
        around = Surroundings(
            self._client, self._spool, name, queue, self._clock, self._rest, lease, self._watched, self._stages,
            self._availability,
        )  # fmt: skip
        upkeep = Upkeep(self._availability)
        feed = asyncio.create_task(self._hold_feed(FeedLease(self._feed, lease), queue, lease))
        engine = asyncio.create_task(self._engines(around))
        sync = asyncio.create_task(self._sync())
        watched = asyncio.create_task(upkeep.every(REFRESH_S, "reading the watchlists", self._watched.refresh))
        try:
            done, _ = await asyncio.wait([feed, engine, sync, stopped], return_when=asyncio.FIRST_COMPLETED)
            await self._end(feed, queue, engine)
            for task in done - {stopped}:
                task.result()
        finally:
            await ended(feed, engine, sync, watched)
            await lease.release()
            with contextlib.suppress(RedisError, OSError):
                await withdraw(self._client, "ingest")

    async def _hold_feed(self, feed_lease: FeedLease, queue: FrameQueue, lease: Lease) -> None:
        """Reads the feed whenever it may be read."""
        try:
            while True:
                await feed_lease.allowed()
                await self._begin(queue, lease)
                await feed_lease.read()
        finally:
            await feed_lease.close()

    async def _begin(self, queue: FrameQueue, lease: Lease) -> None:
        """Marks, once, that data since the newest stored bar is missing."""
        if self._begun.is_set():
            return
        newest = await newest_stored(self._client) if lease.token else None
        if newest is not None or self._spool.last >= self._spool.first:
            queue.mark("disconnected", reason="restart", since=str(newest or 0))
        self._begun.set()

    async def _end(self, feed: asyncio.Task[None], queue: FrameQueue, engine: asyncio.Task[None]) -> None:
        """The feed first (with its close frame), then what was read, then what waits for Redis."""
        await ended(feed)
        queue.close()
        if not self._begun.is_set():
            return
        try:
            async with asyncio.timeout(FAREWELL_S):
                await asyncio.shield(asyncio.gather(engine, return_exceptions=True))
        except TimeoutError:
            log.warning("Redis did not take everything within %g s: the spool keeps it for the next start", FAREWELL_S)

    async def _engines(self, around: Surroundings) -> None:
        """One engine after the other: an emptied Redis is refilled from the spool while the feed continues.

        A standby has none: what the store holds is read when the feed is taken over, and only the lease's owner writes.
        """
        await self._until_begun(around.lease)
        first = True
        while True:
            await self._market.ready()
            engine = Engine(self._config.engine, around, self._statistics, first)
            first = False
            try:
                await self._run_engine(engine)
                counts = engine.pipeline.counts
                log.info("stopped after %d bars of %d symbols", counts.bars, len(engine.pipeline.tape.symbols))
                return
            except StoreEmptied as emptied:
                log.error("Redis was emptied (%s): filling it again from the spool", emptied)

    async def _run_engine(self, engine: Engine) -> None:
        running, opened = asyncio.create_task(engine.run()), asyncio.create_task(engine.opened.wait())
        try:
            await asyncio.wait([running, opened], return_when=asyncio.FIRST_COMPLETED)
            if opened.done():
                self._on_ready()
            await running
        finally:
            await ended(running, opened)

    async def _until_begun(self, lease: Lease) -> None:
        is_standby = False
        while not self._begun.is_set():
            if not is_standby and lease.current not in ("", lease.owner):
                self._on_ready()
                is_standby = True
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
        while True:
            self._on_beat()
            await asyncio.sleep(BEAT_S)

    # --- what the feed calls (vendor.massive.feed.Listener)

    async def greeted(self, market: str) -> None:
        await self._market.greet(market or VENDOR)

    def frame(self, frame: bytes) -> None:
        """A frame came."""
        assert self._queue is not None
        self._queue.put(frame)

    def connected(self) -> None:
        """The feed is connected."""
        assert self._queue is not None
        self._queue.mark("connected")

    def disconnected(self, reason: str) -> None:
        """The connection to the feed ended."""
        assert self._queue is not None
        self._queue.mark("disconnected", reason=reason)

    def _statistics(self) -> dict[str, float]:
        queue, spool = self._queue, self._spool
        assert queue is not None
        return {
            "connected": float(self._feed.is_connected),
            "reconnects": max(0, self._feed.connections - 1),
            "buffered_bytes": queue.memory_bytes,
            "frames_dropped": queue.shed_frames,
            "spool_bytes": spool.bytes,
            "spool_waiting": queue.backlog,
            "spool_corrupt": spool.corrupt,
        }


async def newest_stored(client: Redis) -> int | None:
    """The newest second in the store, epoch ms; None where there is none, or Redis does not answer within STORE_S."""
    try:
        async with asyncio.timeout(STORE_S):
            newest = await read_newest(client, await read_symbols_async(client), field="volume")
    except (RedisError, OSError, TimeoutError):
        return None
    return max((sample.t // 1000 * 1000 for sample in newest.values()), default=None)
