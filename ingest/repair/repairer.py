"""Fills gaps of the feed from the vendor's aggregates, beside the stream, which always has priority.

Where second bars may still be written (see rollup.py) the missing seconds are queued like live bars, in order with
them; older minutes are written to 1m, 5m and 1h. All of it is idempotent, so an interrupted repair is simply repeated.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.repair.backfill import Backfill
from ingest.repair.gap_log import NOT_RUNNING, span
from ingest.repair.order import repair_order
from ingest.repair.progress import Progress
from ingest.repair.round import Job, Round
from ingest.repair.symbol import LATE_MS, Bars, SymbolRepair
from ingest.velocity_rule import VelocityConfig
from market.bar import MINUTE_MS
from market.calendar import tape_hours, trade_date
from redis_functions.contract.schema import Schema
from redis_functions.read.completeness import Completeness, completeness
from redis_functions.read.gaps import EVERY_SYMBOL, OPEN, REPAIRED, UNREPAIRABLE, Gap, follow_gaps
from redis_functions.read.market import read_symbols_async
from vendor.interface import RestRefused, RestUnavailable

log = logging.getLogger("tapewatch.repair")

#: Attempts in which rows of the vendor that cannot be right leave a gap open; in the next their symbols are given up.
UNUSABLE_TRIES = 3


@dataclass(frozen=True)
class RepairConfig:
    """`settle_ms`: event time after a gap's end before it is looked at, or `quiet_s` of wall time where no event comes.

    `late_symbols_s`: between looks for symbols that are first seen after a late start was repaired.
    `behind_s`: how long the vendor's REST is given to catch up with the feed. `backoff_s`: between attempts, the last one
    for ever.
    """

    feed_name: str = "stocks"
    schema: Schema = field(default_factory=Schema)
    velocity: VelocityConfig = field(default_factory=VelocityConfig)
    always_open: bool = False
    settle_ms: int = 5_000
    quiet_s: float = 20.0
    behind_s: float = 120.0
    backoff_s: tuple[float, ...] = (5.0, 15.0, 60.0, 300.0)
    poll_s: float = 1.0
    late_symbols_s: float = 60.0


class _NotNow(Exception):
    """The attempt ends here; the gap stays open and is tried again."""


class _Hopeless(Exception):
    """The gap cannot be repaired; the text is the reason."""


class Records(Protocol):
    """The log of gaps."""

    async def write_repair(self, fields: dict[str, str]) -> None:
        """Appends the new state of a gap. Raises redis.RedisError, also where this daemon may not write."""


class Repairer:
    """Repairs gaps, the newest first and with it those near it."""

    def __init__(
        self, client: Redis, rest: Bars | None, live: Backfill, records: Records, config: RepairConfig
    ) -> None:  # fmt: skip
        self.config = config
        self._client = client
        self._rest = rest
        self._live = live
        self._symbols = SymbolRepair(client, rest, live, config.schema, config.velocity) if rest else None
        self._records = records
        self._gaps: dict[str, Gap] = {}
        self._read_to = "-"
        self._due: dict[str, tuple[float, int]] = {}  # gap id to (monotonic time, attempts)
        self._first_met: dict[str, float] = {}
        self._wake = asyncio.Event()
        self._running: Round | None = None
        self._bars = 0  # written by rounds that have ended
        self._changes = 0  # of the gaps
        self._done: dict[str, set[str]] = {}  # symbols of repaired gaps that symbols may still join
        self._looked = 0.0  # for such symbols, monotonic
        self._complete: tuple[tuple[int, int, int], Completeness] | None = None  # asked last, with its answer

    # --- what there is to repair

    def wake(self) -> None:
        """A gap was recorded: look now."""
        self._wake.set()

    async def step(self) -> None:
        """Repairs what is due; where nothing is, waits for `wake` or `poll_s`. Raises redis.RedisError."""
        await self._read_log()
        await self._take_late_symbols()
        if gaps := self._next():
            await self._round(gaps)
            return
        self._wake.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self.config.poll_s):
                await self._wake.wait()

    @property
    def bars_repaired(self) -> int:
        """Since the start."""
        return self._bars + (self._running.bars if self._running else 0)

    def completeness(self, symbols: int) -> Completeness:
        """Gaps by state and the coverage of the clock's trade date, for the statistics; as far as the log has been read."""
        now = self._live.clock or time.time_ns() // 1_000_000
        asked = (now // MINUTE_MS, symbols, self._changes)
        if self._complete is None or self._complete[0] != asked:
            hours = tape_hours(trade_date(now, self.config.always_open), self.config.always_open)
            self._complete = asked, completeness(list(self._gaps.values()), symbols, hours, now)
        return self._complete[1]

    async def _read_log(self) -> None:
        before = self._read_to
        self._gaps, self._read_to = await follow_gaps(self._client, self.config.feed_name, self._gaps, before)
        self._changes += self._read_to != before

    async def _take_late_symbols(self) -> None:
        """A symbol that is first seen later on the day of a late start was not asked for when that gap was repaired: it gets a
        gap of its own. After a restart the symbols that are known then count as repaired."""
        if time.monotonic() - self._looked < self.config.late_symbols_s:
            return
        self._looked = time.monotonic()
        today = tape_hours(trade_date(self._live.clock, self.config.always_open), self.config.always_open)
        late = [
            gap
            for gap in self._gaps.values()
            if gap.reason == NOT_RUNNING and gap.state == REPAIRED and EVERY_SYMBOL in gap.symbols
            and (gap.end or 0) > today.open
        ]  # fmt: skip
        for gap in late:
            symbols = set(await read_symbols_async(self._client))
            fresh = symbols - self._done.setdefault(gap.id, symbols)
            if fresh:
                self._done[gap.id] |= fresh
                own = gap._replace(
                    id=f"{gap.id}:{len(self._done[gap.id])}", symbols=tuple(sorted(fresh)), state=OPEN, repaired_bars=0,
                    spikes="[]",
                )  # fmt: skip
                await self._records.write_repair(_entry(own))

    def _next(self) -> list[Gap]:
        """Of the gaps that are open, have ended, have settled and are due: the newest, and those so near before it that the
        questions about it reach them anyway. The newest first."""
        ready = [gap for gap in self._gaps.values() if gap.state == OPEN and self._is_ready(gap)]
        ready.sort(key=lambda gap: (gap.end or 0, gap.start or 0), reverse=True)
        reach = min((gap.start or 0 for gap in ready[:1]), default=0)
        near: list[Gap] = []
        for gap in ready:
            if (gap.end or 0) < reach - LATE_MS:
                break
            reach = min(reach, gap.start or 0)
            near.append(gap)
        return near

    def _is_ready(self, gap: Gap) -> bool:
        if gap.start is None or gap.end is None:
            return False
        due, _ = self._due.get(gap.id, (0.0, 0))
        settled = self._live.clock >= gap.end + self.config.settle_ms
        quiet = time.time() - gap.logged / 1000 > self.config.quiet_s
        return (settled or quiet) and time.monotonic() >= due

    # --- a round: the newest gap, and those near it

    async def _round(self, gaps: Sequence[Gap]) -> None:
        """Repairs the gaps in one round, as far as possible. Raises redis-py's errors."""
        jobs: list[Job] = []
        began = time.monotonic()
        try:
            for gap in gaps:
                progress = Progress(self._client, self.config.feed_name, gap.id)
                await progress.read()
                async with self._judged(gap, progress):
                    is_last = self._attempts(gap) >= UNUSABLE_TRIES
                    jobs.append(Job(gap, progress, await self._todo(gap, progress), takes_unusable=is_last))
            filled = await self._fill(jobs)
            for job in jobs:
                async with self._judged(job.gap, job.progress):
                    await self._conclude(job, filled, time.monotonic() - began)
        except RedisError:
            for gap in gaps:
                if self._gaps[gap.id].state == OPEN:
                    self._due[gap.id] = time.monotonic() + self.config.backoff_s[0], self._attempts(gap)
            raise

    @contextlib.asynccontextmanager
    async def _judged(self, gap: Gap, progress: Progress) -> AsyncIterator[None]:
        """Handles the errors of the block: a gap that cannot be repaired, or has to wait."""
        try:
            yield
        except _Hopeless as reason:
            await self._close(gap, progress, UNREPAIRABLE, str(reason))
            log.warning("the gap %s cannot be repaired: %s", _words(gap), reason)
        except _NotNow as reason:
            log.warning("the gap %s is not repaired yet: %s; again in %.0f s", _words(gap), reason, self._postpone(gap))

    def _attempts(self, gap: Gap) -> int:
        return self._due.get(gap.id, (0.0, 0))[1]

    def _postpone(self, gap: Gap) -> float:
        attempts = self._attempts(gap)
        wait = self.config.backoff_s[min(attempts, len(self.config.backoff_s) - 1)]
        self._due[gap.id] = (time.monotonic() + wait, attempts + 1)
        return wait

    async def _todo(self, gap: Gap, progress: Progress) -> set[str]:
        """The gap's symbols that are not done yet. Raises _Hopeless and _NotNow."""
        if self._rest is None:
            raise _Hopeless("no REST of the vendor is configured")
        if (gap.end or 0) < self._live.clock - self.config.schema.retention_ms["1m"]:
            raise _Hopeless("older than minutes are kept")
        symbols = list(gap.symbols) if EVERY_SYMBOL not in gap.symbols else await read_symbols_async(self._client)
        if not symbols:
            raise _NotNow("no symbol is known yet")
        await self._await_vendor(gap, symbols)
        log.info("repairing the gap %s of %d symbols, %d are done", _words(gap), len(symbols), len(progress.done))
        return set(symbols) - progress.done

    async def _fill(self, jobs: Sequence[Job]) -> Round:
        """What is left of the jobs, tracked symbols first."""
        filled = self._running = Round(self._client, self._symbols, jobs)
        try:
            todo = {symbol for job in jobs for symbol in job.todo}
            await filled.run(await repair_order(self._client, todo, self._live))
        finally:
            self._bars, self._running = self._bars + filled.bars, None
        return filled

    async def _conclude(self, job: Job, filled: Round, seconds: float) -> None:
        """Closes the job's gap, or leaves it open. Raises _Hopeless and _NotNow."""
        progress, refused = job.progress, next(iter(job.refused.values()), "")
        if refused and filled.refuses_all:
            raise _Hopeless(refused)
        if job.left:
            raise _NotNow(f"{job.left} symbols are left ({filled.why})")
        if refused and not progress.done:
            raise _Hopeless(refused)
        if progress.lost:
            raise _Hopeless("a part of it is older than minutes are kept")
        if refused:
            await self._set_apart(job.gap, job.refused)
        await self._close(job.gap, progress, REPAIRED)
        log.info(
            "the gap %s is repaired: %d bars in %.1f s; %d velocity alerts would have been raised",
            _words(job.gap), progress.bars, seconds, len(progress.spikes),
        )  # fmt: skip

    async def _await_vendor(self, gap: Gap, symbols: Sequence[str]) -> None:
        """REST may be behind the feed, and what it lacks would count as silence. So it is first asked for a bar that arrived
        live after the gap. Raises _NotNow while it has none, for at most `behind_s`."""
        assert self._rest is not None
        assert gap.end is not None
        symbol = max(symbols, key=lambda s: self._live.newest(s) or 0)
        newest = self._live.newest(symbol) or 0
        if newest <= gap.end:
            return
        step = self._live.step_ms
        try:
            asked = await self._rest.bars(symbol, step, max(gap.end + 1, newest - 60 * step), newest)
        except RestRefused:
            return
        except RestUnavailable as error:
            raise _NotNow(str(error)) from None
        met = self._first_met.setdefault(gap.id, time.monotonic())
        if not asked.bars and time.monotonic() - met < self.config.behind_s:
            raise _NotNow("the vendor's REST is behind the feed")

    # --- the end of it

    async def _close(self, gap: Gap, progress: Progress, state: str, why: str = "") -> None:
        spikes = orjson.dumps([spike._asdict() for spike in progress.spikes]).decode()
        closed = gap._replace(
            state=state,
            reason=f"{gap.reason}; {why}" if why else gap.reason,
            repaired_bars=progress.bars,
            spikes=spikes,
        )
        await self._records.write_repair(_entry(closed))
        self._gaps[gap.id] = closed
        if gap.reason == NOT_RUNNING and state == REPAIRED:
            self._done[gap.id] = progress.done
        self._changes += 1
        self._due.pop(gap.id, None)
        self._first_met.pop(gap.id, None)
        await progress.forget()

    async def _set_apart(self, gap: Gap, refused: dict[str, str]) -> None:
        """A record of their own for the symbols that the vendor refuses; the others are repaired."""
        why = next(iter(refused.values()))
        apart = gap._replace(
            id=f"{gap.id}-refused", symbols=tuple(sorted(refused)), state=UNREPAIRABLE, reason=f"{gap.reason}; {why}",
            repaired_bars=0, spikes="[]",
        )  # fmt: skip
        await self._records.write_repair(_entry(apart))
        self._gaps[apart.id] = apart
        self._changes += 1
        log.warning("the gap %s cannot be repaired for %d symbols: %s", _words(gap), len(refused), why)


def _entry(gap: Gap) -> dict[str, str]:
    """A gap as its log has it."""
    return {
        "gap": gap.id, "symbols": ",".join(gap.symbols), "from": str(gap.start or ""), "to": str(gap.end or ""),
        "reason": gap.reason, "state": gap.state, "repaired_bars": str(gap.repaired_bars), "spikes": gap.spikes,
    }  # fmt: skip


def _words(gap: Gap) -> str:
    """A gap for people: its span and its reason."""
    return f"{span(gap.start, gap.end)} ({gap.reason})"
