"""One round of repairs: gaps near each other, filled at once, symbol by symbol and several symbols at a time.

The vendor restates bars for a quarter of an hour, so each gap is read with the minutes before it. A flapping
connection leaves many gaps in these minutes: one request for a symbol serves them all.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from redis.asyncio import Redis

from ingest.repair.progress import Progress, note
from ingest.repair.symbol import GrewOld, Part, SymbolRepair, UnusableRows
from ingest.tasks import ended
from redis_functions.read.gaps import Gap
from vendor.interface import RestRefused, RestUnavailable

log = logging.getLogger("tapewatch.repair")

#: Symbols under repair at once: most of the time is spent waiting for the vendor and for Redis. Each holds its answer in memory.
AT_ONCE = 8
#: After so many symbols in a row without an answer (or refused, with none answered) the rest is not asked.
IN_A_ROW = 3
PROGRESS_S = 5.0


@dataclass
class Job:
    """One gap of a round. `todo`: the symbols that are not done; `refused`: those that the vendor refuses, with its word.

    `takes_unusable`: rows that cannot be right have been asked for often enough, their symbols are refused too.
    """

    gap: Gap
    progress: Progress
    todo: set[str]
    refused: dict[str, str] = field(default_factory=dict)
    takes_unusable: bool = False

    @property
    def left(self) -> int:
        """Symbols that are neither done nor refused."""
        return len(self.todo - self.progress.done - self.refused.keys())


class Round:
    """Repairs the `jobs`. `bars`: written so far; `why`: why symbols are left; `refuses_all`: the vendor answers nothing."""

    def __init__(self, client: Redis, symbols: SymbolRepair | None, jobs: Sequence[Job]) -> None:
        self.jobs = jobs
        self.bars = 0
        self.why = ""
        self.refuses_all = False
        self._client = client
        self._symbols = symbols
        self._answered = any(job.progress.done for job in jobs)
        self._refused = self._in_a_row = self._asked = 0
        self._logged = time.monotonic()

    async def run(self, ordered: Sequence[str]) -> None:
        """All symbols, in this order. Raises redis-py's errors; what the vendor does not answer is recorded in the jobs."""
        rest = iter(ordered)
        # One by one until the vendor has answered: one that rejects or is unreachable is not asked for everything.
        while not self._answered and (symbol := self._next(rest)):
            await self._repair(symbol, len(ordered))
        workers = [asyncio.create_task(self._work(rest, len(ordered))) for _ in range(min(AT_ONCE, len(ordered)))]
        try:
            await asyncio.gather(*workers)
        finally:
            self._in_a_row = IN_A_ROW
            await ended(*workers)

    async def _work(self, rest: Iterator[str], total: int) -> None:
        while symbol := self._next(rest):
            await self._repair(symbol, total)

    def _next(self, rest: Iterator[str]) -> str | None:
        if self._in_a_row >= IN_A_ROW or self.refuses_all:
            return None
        return next(rest, None)

    async def _repair(self, symbol: str, total: int) -> None:
        jobs = [job for job in self.jobs if symbol in job.todo]
        assert self._symbols is not None  # without REST no job is taken on
        parts = [Part(job.gap.start or 0, job.gap.end or 0, job.progress.outcome(symbol)) for job in jobs]
        before = sum(part.outcome.bars for part in parts)
        try:
            await self._symbols.repair(symbol, parts)
            for part in parts:
                part.outcome.whole = True
            self._answered, self._in_a_row = True, 0
        except RestRefused as error:
            for job in jobs:
                job.refused[symbol] = str(error)
            self._refused += 1
            self.refuses_all = self._refused >= IN_A_ROW and not self._answered
        except UnusableRows as error:
            self.why = str(error)
            self._answered, self._in_a_row = True, 0
            for job in jobs:
                if job.takes_unusable:
                    job.refused[symbol] = str(error)
        except (RestUnavailable, GrewOld) as error:
            self.why = str(error)
            self._in_a_row += 1
        finally:
            written = sum(part.outcome.bars for part in parts) - before
            self.bars += written
            if written or any(part.outcome.whole for part in parts):
                await note(self._client, [job.progress for job in jobs], symbol)
        self._asked += 1
        self._log_progress(total)

    def _log_progress(self, total: int) -> None:
        if time.monotonic() - self._logged > PROGRESS_S:
            self._logged = time.monotonic()
            log.info("repairing: %d of %d symbols, %d bars", self._asked, total, self.bars)
