"""From spooled records to Redis: the loop that takes records in order, passes them to the pipeline and acts on what it returns.

An engine begins a little before the watermark, so that detector and half-built seconds are warm when new records
follow; all its effects are idempotent. When Redis comes back empty the engine ends and another one begins, while the feed goes on
spooling.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.alerting import AlertLane
from ingest.bars.market_state import MAX_SYMBOLS
from ingest.bars.minute_bars import FillRemoved
from ingest.clock import Clock
from ingest.frame_queue import FrameQueue
from ingest.in_flight import InFlight
from ingest.late_data_writer import LateDataLane
from ingest.missing_data import MissingData
from ingest.opening import beginning, read_contents
from ingest.ops.aof_rewrite import LOOK_S, RewriteConfig, Rewrites
from ingest.ops.reporter import INTERVAL_S, Reporter
from ingest.ops.sale_conditions import refreshed
from ingest.outbox import Outbox
from ingest.overtaking import Overtaking
from ingest.pipeline import Found, Pipeline, parts
from ingest.previous_close import previous_closes
from ingest.repair.backfill import Backfill
from ingest.repair.gap_log import Fields, GapLog, span
from ingest.repair.repairer import RepairConfig, Repairer
from ingest.spool.log import Spool
from ingest.spool.segment import CONTROL, CORRUPT, DATA, Record
from ingest.stage_latency import StageLatency
from ingest.tasks import ended
from ingest.upkeep import Upkeep
from ingest.velocity_rule import VelocityConfig
from ingest.watchlists import Watched
from ingest.watermark import Watermark
from market.bar import Bar
from market.calendar import tape_hours, trade_date
from market.sessions import TradingDay
from redis_functions.availability import Availability
from redis_functions.contract.schema import Schema
from redis_functions.lua.calls import make_way_args
from redis_functions.write.checkpoint import FENCED, write_gap
from redis_functions.write.lease import Lease
from redis_functions.write.writer import Writer
from vendor.interface import Lost, Rest, Subscription, Vendor

log = logging.getLogger("tapewatch.ingest")

WATERMARK_S = 0.5
IDLE_CHECK_S, BUSY_CHECK_S = 0.25, 0.01
#: A gap of rejected events begins at most so long before the event clock.
OLDEST_MS = 86_400_000


@dataclass(frozen=True)
class EngineConfig:
    """What the engine is to do, and where."""

    redis_url: str
    vendor: Vendor
    subscription: Subscription
    feed_name: str = "stocks"
    max_symbols: int = MAX_SYMBOLS
    always_open: bool = False
    schema: Schema = field(default_factory=Schema)
    velocity: VelocityConfig = field(default_factory=VelocityConfig)
    rewrite: RewriteConfig = field(default_factory=RewriteConfig)


@dataclass(frozen=True)
class Surroundings:
    """What an engine shares with the process around it, and with the engine after it. `spool_id`
    identifies the spool among those of other machines: each has its own watermark."""

    client: Redis
    spool: Spool
    spool_id: str
    queue: FrameQueue
    clock: Clock
    rest: Rest | None
    lease: Lease
    watched: Watched
    stages: StageLatency
    availability: Availability


class Engine:
    """Works off the queue until it ends."""

    def __init__(
        self, config: EngineConfig, around: Surroundings, statistics: Callable[[], dict[str, float]], first: bool = True
    ) -> None:
        """`statistics` returns those of the feed and the spool; `first`: no other engine worked on this spool since it was
        opened."""
        self.opened = asyncio.Event()  # what the store holds is known
        self._config = config
        self._around = around
        self._first = first
        self._more = statistics
        client, lease, available = around.client, around.lease, around.availability
        self.writer = Writer(config.redis_url, config.schema, available)
        self.pipeline = Pipeline(
            config.schema, config.velocity, decode=config.vendor.decoder(), minutes_subscribed=config.subscription.minutes,
            max_symbols=config.max_symbols, clock=around.clock, stages=around.stages,
        )  # fmt: skip
        self.alerts = AlertLane(client, config.velocity.cooldown_s * 1000, available, around.stages.alert)
        self.gaps = GapLog(client, config.feed_name, around.spool_id, lease, available)
        self.late_data = LateDataLane(client, self.writer, config.schema.lateness_ms, self, available)
        self.outbox = Outbox(self.alerts, self.gaps, self.late_data)
        self.in_flight = InFlight(self.writer, around.clock, around.stages, begun_after=around.spool.last)
        self.writer.on_stored = self.in_flight.stored
        self.watermark = Watermark(
            client, config.feed_name, around.spool, around.spool_id, lease, self.writer, self.outbox
        )
        self.overtaking = Overtaking(around.queue, around.watched, config.vendor.decoder())
        self.missing = MissingData()
        self._rejected: Counter[str] = Counter()  # events rejected up to the record before
        self._known_to = 0  # the last record of which an earlier engine has logged all
        self._days: asyncio.Queue[TradingDay] = asyncio.Queue()
        repairs = RepairConfig(config.feed_name, config.schema, config.velocity, config.always_open)
        backfill = Backfill(self.pipeline, self.writer, minutes_only=config.subscription.minutes_only)
        self.repairer = Repairer(client, around.rest, backfill, self, repairs)
        self.reporter = Reporter(client, self.pipeline, self.statistics)
        self.rewrites = Rewrites(
            client, config.rewrite, lease, self.pipeline.counts, around.clock, self.writer, around.spool
        )

    async def run(self) -> None:
        """Until the queue is closed and empty. Raises StoreEmptied."""
        worker = asyncio.create_task(self._work())
        tasks = [worker, *map(asyncio.create_task, self._beside())]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await ended(*tasks)

    def _beside(self) -> list[Coroutine[Any, Any, None]]:
        """What runs beside the worker; none of them ends by itself."""
        upkeep = Upkeep(self._around.availability)
        return [
            self.writer.run(),
            self.outbox.run(),
            self._release_held(),
            self._after_opening(upkeep.every(0, "fetching previous closes", self._fetch_closes)),
            self._after_opening(upkeep.every(INTERVAL_S, "the report", self.reporter.report)),
            self._after_opening(upkeep.every(WATERMARK_S, "the watermark", self.watermark.advance)),
            self._after_opening(upkeep.every(LOOK_S, "the append-only file's check", self.rewrites.look)),
            self._after_opening(upkeep.every(0, "repairs", self.repairer.step)),
            self._after_opening(self._refresh_conditions(upkeep)),
        ]

    async def _after_opening(self, part: Coroutine[Any, Any, None]) -> None:
        try:
            await self.opened.wait()
        except BaseException:
            part.close()
            raise
        await part

    # --- the loop

    async def _work(self) -> None:
        await self._open()
        queue = self._around.queue
        while (record := await queue.get()) is not None:
            for bars in self.overtaking.bars(record, self._around.clock()):
                self._act(self.pipeline.overtake(bars))
            if record.kind == DATA:
                await self._frame(record)
            elif record.kind == CONTROL:
                self._control(record)
            elif record.kind == CORRUPT:
                self.gaps.single(record.number, self.pipeline.tape.clock, "a spooled record was damaged")
            self.in_flight.queued(record.number, record.received_ms, self.pipeline.counts.bar_end_ms)
        self._act(self.pipeline.drain())
        await self.outbox.emptied()
        await self.writer.flushed()
        await self.watermark.advance()

    async def _open(self) -> None:
        """Waits for Redis, learns what the store holds, and goes to the record to begin with."""
        around = self._around
        read = partial(read_contents, around.client, self._config.feed_name, around.spool_id)
        contents = await Upkeep(around.availability).until_done("opening the store", read)
        contents.restore(self.pipeline.tape, self.pipeline.halts)
        self.writer.restore(contents.symbols)
        self.gaps.restore(contents.open_gaps)
        begin = beginning(around.spool, contents.watermark, self._first)
        self.watermark.stored = begin.known
        self._known_to = begin.watermark or 0
        self.pipeline.begin(begin.watermark or 0, begin.partial, begin.stored_to)
        around.queue.rewind(begin.first - 1)
        self.opened.set()

    async def _frame(self, record: Record) -> None:
        counts = self.pipeline.counts
        before = counts.bars + counts.trades
        is_first = not self.pipeline.event_clock
        events = self.pipeline.decode(record.payload, record.number, record.received_ms)
        taken = bool(events.minutes)
        for part in parts(self.overtaking.left(record.number, events)):
            self._act(self.pipeline.step(part, self.writer.waiting))
            await self.writer.has_capacity()
            await asyncio.sleep(0)
        usable = counts.bars + counts.trades - before
        self._note_rejected(record, usable, events.lost)
        if is_first:
            self._note_start(record.number)
        if taken or usable:
            for gap in self.gaps.data(record.number, self.pipeline.event_clock):
                log.info("gap %s: %s", span(int(gap["from"]), int(gap["to"])), gap["reason"])
                self.repairer.wake()

    def _note_start(self, number: int) -> None:
        """What the market was open before the first data of a store is missing. Of a store with data the gap begins there."""
        clock, always_open = self.pipeline.event_clock, self._config.always_open
        if clock:
            hours = tape_hours(trade_date(clock, always_open), always_open)
            self.gaps.before_start(number, hours.open, min(clock, hours.close))
            self.repairer.wake()

    def _act(self, found: Found) -> None:
        """Acts on what a step found, in order: bars are queued for Redis, what waits for Redis goes to the outbox."""
        for write in found.writes:
            if isinstance(write, FillRemoved):
                self.writer.put_command(*make_way_args(*write))
            else:
                self.writer.put(*write)
        number = self.pipeline.number
        for alert in found.alerts:
            self.alerts.put_alert(number, alert)
        for late in found.late:
            self.late_data.put(number, late)
        for bar in found.unsure:
            self.late_data.put(number, bar)
        if found.day is not None:
            self._days.put_nowait(found.day)

    def fill(self, bars: list[Bar]) -> None:
        """Stores minute bars whose minutes have no seconds in the store (see LateDataLane)."""
        self._act(self.pipeline.fill(bars))

    def _control(self, record: Record) -> None:
        """A mark of the process among the frames: data may be missing from here on, or comes again."""
        mark = orjson.loads(record.payload)
        clock = self.pipeline.event_clock
        what = mark.get("what")
        if what == "disconnected":
            # Another daemon may have gone on after the end of this spool.
            since = max(clock, int(mark.get("since", 0)))
            self.gaps.begin(record.number, since, str(mark.get("reason", "")))
        elif what == "shed":
            self.gaps.begin(record.number, clock, f"overload: {mark.get('level', '')} shed")
        elif what in ("connected", "shed_end"):
            self.gaps.resume()

    def _note_rejected(self, record: Record, usable: int, lost: Sequence[Lost]) -> None:
        """So many rejected events that data is missing become a gap, from the first of them on."""
        rejected, counts = self.pipeline.rejected, self.pipeline.tape.counts
        more = rejected - self._rejected
        times = [counts.rejected_from, *(one.t for one in lost)]
        counts.rejected_from, self._rejected = None, rejected
        more.update(one.reason for one in lost)
        since = min((t for t in times if t is not None), default=None)
        if not self.missing.note(record.received_ms, usable, more, since):
            return
        if (missing := self.missing.missing) is None:
            if record.number > self._known_to:
                log.info("events are usable again: the gap ends with the next data")
            self.gaps.resume()
            return
        reason = f"rejected: {missing.reason}"
        if missing.reason == "future":
            behind = round(counts.ahead_ms / 1000)
            reason = f"rejected: {behind} s in the future, this machine's clock is behind the feed"
        log.log(
            logging.ERROR if record.number > self._known_to else logging.DEBUG,
            "%d events %s; their time is missing and becomes a gap%s", missing.number, reason,
            "; set the clock (chronyc makestep)" if missing.reason == "future" else "",
        )  # fmt: skip
        clock = self.pipeline.event_clock
        earliest = min((t for t in (clock, missing.since, record.received_ms) if t), default=0)
        self.gaps.begin(record.number, max(earliest, clock - OLDEST_MS), reason)

    async def _release_held(self) -> None:
        """What must happen though nothing arrives: held bars are released."""
        while True:
            await asyncio.sleep(BUSY_CHECK_S if self.pipeline.minute_bars.is_busy else IDLE_CHECK_S)
            self._act(self.pipeline.idle(self.writer.waiting))

    # --- beside the stream

    async def write_repair(self, fields: Fields) -> None:
        """Appends a gap's new state to the log of gaps. Raises RedisError, also without the lease."""
        token = self._around.lease.token
        if not token or await write_gap(self._around.client, self._config.feed_name, token, fields) == FENCED:
            raise RedisError("this daemon does not hold the feed's lease")

    async def _refresh_conditions(self, upkeep: Upkeep) -> None:
        """Once, and only where trades are built into bars."""
        if self._around.rest is not None and self._config.subscription.trades:
            table = await upkeep.until_done("refreshing sale conditions", partial(refreshed, self._around.rest))
            if table is not None:
                self.pipeline.trade_bars.refresh(table)
        await asyncio.Event().wait()

    async def _fetch_closes(self) -> None:
        """The previous closes of the newest day that began; of the same day again when Redis did not serve."""
        day = await self._days.get()
        while not self._days.empty():
            day = self._days.get_nowait()
        try:
            symbols = list(self.pipeline.tape.symbols)
            closes = await previous_closes(self._around.client, day, symbols, self._around.rest)
        except BaseException:
            self._days.put_nowait(day)
            raise
        self.pipeline.velocity.set_previous_closes(day, closes)

    def waiting_ms(self) -> int:
        """The age of the oldest frame that waits for its turn, or of whose bars some wait for Redis."""
        since = [t for t in (self.in_flight.oldest_ms,) if t is not None]
        if self._around.queue.backlog and self.pipeline.received_ms:
            since.append(self.pipeline.received_ms)
        return max(0, self._around.clock() - min(since)) if since else 0

    def statistics(self) -> dict[str, float]:
        """Those that are not the pipeline's own."""
        complete = self.repairer.completeness(len(self.pipeline.tape.symbols))
        rest = self._around.rest
        return self._more() | self.rewrites.statistics() | {
            "waiting_bars": self.writer.waiting,
            "waiting_ms": self.waiting_ms(),
            "clock_behind_ms": self.pipeline.tape.counts.ahead_ms if self.missing.missing else 0,
            "lag_ms": self.in_flight.lag_ms,
            "bars_stored": self.writer.counts.stored,
            "bars_refused": self.writer.counts.refused + self.pipeline.tape.counts.beyond,
            "late_refused": self.late_data.refused,
            "alerts_refused": self.alerts.counts.refused,
            "rest_requests": rest.requests if rest else 0,
            "rest_retries": rest.retried if rest else 0,
            "rest_set_aside": rest.set_aside if rest else 0,
            "gaps_open": complete.open,
            "gaps_repaired": complete.repaired,
            "coverage": complete.coverage.fraction,
            "bars_repaired": self.repairer.bars_repaired,
            "alerts": self.alerts.counts.raised,
        }  # fmt: skip
