"""From spooled records to Redis: the pipeline with everything that waits for Redis beside it.

An engine begins a little before the watermark, so that the detector and half-built seconds are warm when it comes to what is
new; all its effects are idempotent. It can be thrown away and begun anew while the feed goes on spooling: so it is when Redis
comes back empty.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.alerting import Alerting
from ingest.clock import Clock
from ingest.frame_queue import FrameQueue
from ingest.late_data_writer import LateDataWriter
from ingest.ops.aof_rewrite import RewriteConfig, Rewrites
from ingest.ops.reporter import Reporter
from ingest.ops.sale_conditions import refreshed
from ingest.pipeline import SLICE, Pipeline, VelocityConfig
from ingest.previous_close import previous_closes
from ingest.repair.backfill import Backfill
from ingest.repair.gap_log import Fields, GapLog
from ingest.repair.repairer import RepairConfig, Repairer
from ingest.spool.log import Spool
from ingest.spool.segment import CONTROL, CORRUPT, DATA, Record
from ingest.stage_latency import StageLatency
from ingest.tasks import ended
from market.sessions import TradingDay, day_of
from redis_functions.contract.schema import Schema
from redis_functions.lua import loader
from redis_functions.read.day_volumes import read_day_volumes
from redis_functions.read.gaps import OPEN, Gap, follow_gaps
from redis_functions.read.market import read_symbols_async
from redis_functions.read.samples import read_newest
from redis_functions.write.checkpoint import BEHIND, EMPTIED, FENCED, SET, read_watermark, set_watermark, write_gap
from redis_functions.write.writer import StoreEmptied, Writer
from vendor.interface import Decoded, Rest, Subscription, Vendor

log = logging.getLogger("tapewatch.ingest")

#: Time of arrival before the watermark that is worked on again: longer than a print may be late (60 s), than a velocity
#: reference may be old (35 s) and than anything is held back (5 s).
WARM_UP_MS = 120_000
#: Of those records the last ones are also written again: a Redis that failed may have lost its last second (`everysec`), a
#: cluster of them not the same second everywhere. What is older only warms the state up.
WRITE_AGAIN_MS = 5_000
WATERMARK_S = 0.5
IDLE_CHECK_S, BUSY_CHECK_S = 0.25, 0.01
REDIS_RETRY_S = 0.2
#: For the question of what the store holds.
STORE_S = 3.0


@dataclass(frozen=True)
class EngineConfig:
    """What the engine needs to know."""

    redis_url: str
    vendor: Vendor
    subscription: Subscription
    feed_name: str = "stocks"
    always_open: bool = False
    schema: Schema = field(default_factory=Schema)
    velocity: VelocityConfig = field(default_factory=VelocityConfig)
    rewrite: RewriteConfig = field(default_factory=RewriteConfig)


class Engine:
    """Works off the intake until it ends; `token` answers the lease's fencing token, 0 while there is none.

    `spool_id` tells this spool from those of other machines: each has a watermark of its own.
    """

    def __init__(
        self,
        config: EngineConfig,
        client: Redis,
        spool: Spool,
        spool_id: str,
        intake: FrameQueue,
        clock: Clock,
        rest: Rest | None,
        token: Callable[[], int],
        statistics: Callable[[], dict[str, float]],
        stages: StageLatency,
        first: bool = True,
    ) -> None:
        """`first`: no other engine worked on this spool since it was opened."""
        self._first = first
        self._config = config
        self._client = client
        self._spool = spool
        self._spool_id = spool_id
        self._intake = intake
        self._token = token
        self._clock = clock
        self._stages = stages
        self._waits: deque[tuple[int, int, int]] = (
            deque()
        )  # (number, received, end of newest bar): frames not yet stored
        self._lag_ms, self._newest_end_ms = 0.0, 0
        self._begun_after = spool.last  # what was spooled before is told again: how long it took is no latency
        self.writer = Writer(config.redis_url, config.schema)
        self.writer.on_stored = self._stored
        self.alerting = Alerting(client, config.velocity.cooldown_s * 1000, stages.alert)
        self.gaps = GapLog(client, config.feed_name, spool_id, token, self._gap_closed)
        self.second_look = LateDataWriter(client, self.writer, config.schema.lateness_ms)
        self._days: asyncio.Queue[TradingDay] = asyncio.Queue()
        self.pipeline = Pipeline(
            config.schema,
            config.velocity,
            self.writer,
            on_alert=self.alerting.put,
            on_late=self.second_look.put,
            on_unsure=self.second_look.put,
            on_day=self._days.put_nowait,
            decode=config.vendor.decoder(),
            minutes_subscribed=config.subscription.minutes,
            now_ms=clock,
            stages=stages,
        )
        self._rest = rest
        backfill = Backfill(
            self.pipeline.tape,
            self.writer,
            built=self.pipeline.builds,
            minutes_only=lambda: config.subscription.minutes_only,
        )
        self.repairer = Repairer(
            client, rest, backfill, self._record_repair,
            RepairConfig(config.feed_name, config.schema, config.velocity, config.always_open),
        )  # fmt: skip
        self._more = statistics
        self.reporter = Reporter(client, self.pipeline, self._statistics)
        self.rewrites = Rewrites(
            client, config.rewrite, holds=lambda: token() != 0, bars=lambda: self.pipeline.counts.bars, now_ms=clock
        )
        self._opened = asyncio.Event()  # what the store already knew has been learnt
        self._watermark: int | None = None  # what Redis acknowledged to us last

    async def run(self, on_open: Callable[[], None]) -> None:
        """Until the intake is closed and empty. Raises StoreEmptied."""
        parts: list[Coroutine[Any, Any, None]] = [
            self.writer.run(),
            self.alerting.run(),
            self.gaps.run(),
            self.second_look.run(self.pipeline.minute_bars.fill),
            self._after_open(self._fetch_closes),
            self._after_open(self._refresh_conditions),
            self._after_open(self.reporter.run),
            self._after_open(self._advance),
            self._after_open(self.repairer.run),
            self._after_open(self.rewrites.run),
            self._tend(),
        ]
        tasks = [asyncio.create_task(part) for part in parts]
        worker = asyncio.create_task(self._work(on_open))
        try:
            done, _ = await asyncio.wait([worker, *tasks], return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await ended(worker, *tasks)

    # --- the start

    async def _open_store(self) -> None:
        """Waits for Redis, loads the functions, learns what the store knows of each symbol, and where to begin."""
        told = False
        while True:
            try:
                await loader.ensure_async(self._client)
                names = await read_symbols_async(self._client)
                watermark = await read_watermark(self._client, self._config.feed_name, self._spool_id)
                gaps, _ = await follow_gaps(self._client, self._config.feed_name, {})
                newest = await read_newest(self._client, names)
                break
            except RedisError as error:
                if not told:
                    log.warning("waiting for Redis: %s", error)
                    told = True
                await asyncio.sleep(REDIS_RETRY_S)
        for name, (t, close) in newest.items():
            self.pipeline.tape.restore(name, t // 1000 * 1000, close / 10_000)
        if newest:
            day = day_of(max(sample.t for sample in newest.values()))
            self.pipeline.tape.restore_volume(day, await read_day_volumes(self._client, names, day))
        self.writer.restore(names)
        self._restore_gaps(gaps.values())
        self._begin_at(watermark)

    def _restore_gaps(self, gaps: Iterable[Gap]) -> None:
        """Gaps of this spool whose end an earlier run did not see."""
        mine = [g for g in gaps if g.id.startswith(f"{self._spool_id}:")]
        self.gaps.restore([
            {"gap": g.id, "symbols": ",".join(g.symbols), "from": str(g.start), "to": "", "reason": g.reason, "state": OPEN}
            for g in mine
            if g.state == OPEN and g.end is None and g.start is not None
        ])  # fmt: skip

    def _begin_at(self, watermark: int | None) -> None:
        """A little before the watermark; at the oldest record when Redis knows none (it is new, or was emptied)."""
        spool = self._spool
        first, stored_to = spool.first, 0
        if self._first and watermark is not None and watermark >= spool.first_of_run:
            # The disk lost records that Redis has seen, and their numbers were given again.
            first = spool.first_of_run
            spool.advance(watermark)
        elif watermark is not None and watermark >= first:
            self._watermark = watermark
            reached = next(iter(spool.reader(watermark - 1).read(1)), None)
            if reached is None:  # nothing came after it
                first = watermark + 1
            else:
                first = min(watermark + 1, max(first, spool.find_time(reached.received_ms - WARM_UP_MS)))
                stored_to = min(watermark, spool.find_time(reached.received_ms - WRITE_AGAIN_MS) - 1)
            spool.rewind(watermark)
            spool.acknowledge(watermark)
        else:
            spool.rewind(first - 1)
        self.pipeline.begin(
            replayed_to=watermark or 0, partial=watermark is not None and first > 1, stored_to=stored_to
        )
        self._intake.rewind(first - 1)
        waiting = spool.last - first + 1
        if waiting > 0:
            log.info("working on %d spooled records again, from number %d", waiting, first)

    # --- the work

    async def _work(self, on_open: Callable[[], None]) -> None:
        await self._open_store()
        self._opened.set()
        on_open()
        while (record := await self._intake.get()) is not None:
            if record.kind == DATA:
                await self._frame(record)
            elif record.kind == CONTROL:
                self._control(record)
            elif record.kind == CORRUPT:
                self.gaps.single(record.number, self.pipeline.tape.clock, "a spooled record was damaged")
            if self.writer.put_mark(record.number) and record.kind == DATA and record.number > self._begun_after:
                self._waits.append((record.number, record.received_ms, self.pipeline.counts.bar_end_ms))
        self.pipeline.drain()
        await self.second_look.pending.emptied()
        await self.writer.flushed()
        await self.alerting.pending.emptied()
        await self.gaps.pending.emptied()
        await self._set_watermark()

    async def _frame(self, record: Record) -> None:
        found = self.pipeline.frame(record.payload, record.number, record.received_ms)
        for part in slices(found):
            self.pipeline.work(part)
            await self.writer.room()
            await asyncio.sleep(0)
        if found.bars or found.trades or found.minutes:
            self.gaps.data(record.number, self.pipeline.event_clock)

    def _control(self, record: Record) -> None:
        mark = orjson.loads(record.payload)
        clock = self.pipeline.event_clock
        what = mark.get("what")
        if what == "disconnected":
            # Another daemon may have gone on after what this spool tells.
            since = max(clock, int(mark.get("since", 0)))
            self.gaps.begin(record.number, since, str(mark.get("reason", "")))
        elif what == "connected":
            self.gaps.resume()
        elif what == "shed":
            self.gaps.begin(record.number, clock, f"overload: {mark.get('level', '')} shed")
        elif what == "shed_end":
            self.gaps.resume()

    def _stored(self, seconds: float) -> None:
        """Redis has the bars of one `put`, and with them perhaps all of some frames."""
        self._stages.store.observe(seconds)
        while self._waits and self._waits[0][0] <= self.writer.acknowledged:
            _, received_ms, bar_end_ms = self._waits.popleft()
            now = self._clock()
            self._stages.total.observe((now - received_ms) / 1000)
            if bar_end_ms >= self._newest_end_ms:  # a restated bar is old by nature, that is no lag
                self._lag_ms, self._newest_end_ms = max(0.0, now - bar_end_ms), bar_end_ms

    async def _tend(self) -> None:
        """What must happen though nothing arrives: held bars are released."""
        while True:
            await asyncio.sleep(BUSY_CHECK_S if self.pipeline.minute_bars.is_busy else IDLE_CHECK_S)
            self.pipeline.idle()

    # --- the watermark

    async def _advance(self) -> None:
        while True:
            await asyncio.sleep(WATERMARK_S)
            try:
                await self._set_watermark()
            except RedisError as error:
                log.debug("watermark waits: %s", error)

    async def _set_watermark(self) -> None:
        """Moves the watermark to the last record of which nothing waits any more. What is held back for a few seconds of
        event time (half-built seconds, minute bars) is built again within the warm-up of a replay."""
        token = self._token()
        queues = (self.alerting.pending, self.second_look.pending, self.gaps.pending)
        waiting = [queue.oldest for queue in queues if queue.oldest is not None]
        safe = min([self.writer.acknowledged, *(n - 1 for n in waiting)])
        if not token or safe <= (self._watermark or 0):
            return
        outcome, number = await set_watermark(
            self._client, self._config.feed_name, token, safe, last=self._watermark, spool=self._spool_id
        )
        if outcome == EMPTIED:
            raise StoreEmptied(f"the watermark was {self._watermark} and is {number}")
        if outcome in (SET, BEHIND):
            self._watermark = safe if outcome == SET else number
            self._spool.acknowledge(safe)

    # --- beside the stream

    def _gap_closed(self, fields: Fields, number: int) -> None:
        """A gap's end is known: a repair may begin."""
        log.info("gap from %s to %s: %s", fields["from"], fields["to"], fields["reason"])
        self.repairer.wake()

    async def _record_repair(self, fields: Fields) -> None:
        token = self._token()
        if not token or await write_gap(self._client, self._config.feed_name, token, fields) == FENCED:
            raise RedisError("the lease is not ours")

    async def _after_open(self, part: Callable[[], Awaitable[None]]) -> None:
        await self._opened.wait()
        await part()

    async def _refresh_conditions(self) -> None:
        """Once, and only where trades are built into bars."""
        if self._rest is not None and self._config.subscription.trades:
            table = await refreshed(self._rest)
            if table is not None:
                self.pipeline.trade_bars.refresh(table)
        await asyncio.Event().wait()

    async def _fetch_closes(self) -> None:
        while True:
            day = await self._days.get()
            try:
                symbols = list(self.pipeline.tape.symbols)
                closes = await previous_closes(self._client, day, symbols, self._rest)
                self.pipeline.set_previous_closes(day, closes)
            except RedisError as error:
                log.warning("no previous closes: %s", error)

    def _statistics(self) -> dict[str, float]:
        complete = self.repairer.completeness(len(self.pipeline.tape.symbols))
        return self._more() | self.rewrites.statistics() | {
            "waiting_bars": self.writer.waiting,
            "lag_ms": self._lag_ms,
            "bars_stored": self.writer.counts.stored,
            "bars_refused": self.writer.counts.refused,
            "late_refused": self.second_look.refused,
            "alerts_refused": self.alerting.counts.refused,
            "rest_requests": self._rest.requests if self._rest else 0,
            "rest_retries": self._rest.retried if self._rest else 0,
            "gaps_open": complete.open,
            "gaps_repaired": complete.repaired,
            "coverage": complete.coverage.fraction,
            "bars_repaired": self.repairer.bars_repaired,
            "alerts": self.alerting.counts.raised,
        }  # fmt: skip


async def newest_stored(client: Redis) -> int | None:
    """The newest second in the store, epoch ms; None where there is none, or Redis does not answer."""
    try:
        async with asyncio.timeout(STORE_S):
            newest = await read_newest(client, await read_symbols_async(client), field="volume")
    except (RedisError, OSError, TimeoutError):
        return None
    return max((sample.t // 1000 * 1000 for sample in newest.values()), default=None)


def slices(found: Decoded) -> list[Decoded]:
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
