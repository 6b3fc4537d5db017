"""Minute bars (`AM`, or CSV files): they fill minutes that have no second bars, and are compared with those that have.

A filling minute is one sample in the 1s series, marked by its time (codec.minute_mark), so that the compaction rules roll
it up with everything else. When a second bar of that minute comes after all, the fill makes way for it.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from ingest.bars.market_state import MarketState, Taken
from ingest.bars.minutes import Known
from market.bar import MINUTE_MS, Bar
from redis_functions.lua.calls import make_way_args
from redis_functions.write.writer import Writer

#: Second bars come up to 2 s after their second (the vendor waits for late prints), so a minute bar waits a little longer.
HOLD_MS = 5_000
IDLE_S = 2.0
#: The minute bars of the whole market come at once, while second bars go on. So they are used in portions of this many, the
#: next one when the writer has no more than that before it: a second bar then waits for one portion, not for 10,000 bars.
PORTION, FEW_WAITING = 500, 500
#: Should Redis never be that idle, they are used all the same: what waits longer would be lost by a crash.
PATIENCE_S = 2.0


@dataclass
class MinuteCounts:
    """Since the start."""

    filled: int = 0
    differ: int = 0


class MinuteBars:
    """Holds minute bars until the seconds of their minute must have come, then fills or compares."""

    def __init__(
        self,
        tape: MarketState,
        writer: Writer,
        store: Callable[[list[Bar]], object],
        on_unsure: Callable[[Bar], None],
        subscribed: bool,
    ) -> None:
        self.counts = MinuteCounts()
        self._tape = tape
        self._writer = writer
        self._store = store
        self._on_unsure = on_unsure
        self._subscribed = subscribed
        self._held: list[Bar] = []
        self._due = 0  # when the first of them may be used, by the event clock
        self._since = 0.0  # monotonic time of the newest held bar
        self._ready: deque[Bar] = deque()  # no longer held, used in portions
        self._ready_since = 0.0
        self._seconds_seen = False

    def take(self, bars: list[Bar]) -> None:
        """New minute bars. Where no second bar was ever seen, nothing is waited for."""
        self._subscribed = True
        if self._seconds_seen:
            due = min(b.t for b in bars) + MINUTE_MS + HOLD_MS
            self._due = min(self._due, due) if self._held else due
            self._held += bars
            self._since = time.monotonic()
        else:
            self._use(bars)

    def release(self, clock: int) -> None:
        """Lets go the held bars whose minute's seconds must have come by the event clock, and uses a portion."""
        if self._held and clock >= self._due:
            self._let_go(b for b in self._held if clock - HOLD_MS >= b.t + MINUTE_MS)
            self._held = [b for b in self._held if clock - HOLD_MS < b.t + MINUTE_MS]
            self._due = min((b.t for b in self._held), default=0) + MINUTE_MS + HOLD_MS
        self._use_portion()

    def idle(self) -> None:
        """Uses a portion; lets go all that is held when the event clock stands still."""
        if self._held and time.monotonic() - self._since > IDLE_S:
            self._let_go(self._held)
            self._held = []
        self._use_portion()

    @property
    def is_busy(self) -> bool:
        """Whether `idle` wants to be called again soon."""
        return bool(self._ready)

    def release_all(self) -> None:
        """Uses all there is."""
        bars = [*self._ready, *self._held]
        self._ready.clear()
        self._held = []
        self._use(bars)

    def _let_go(self, bars: Iterable[Bar]) -> None:
        if not self._ready:
            self._ready_since = time.monotonic()
        self._ready.extend(bars)

    def _use_portion(self) -> None:
        ready = self._ready
        if not ready:
            return
        if self._writer.waiting > FEW_WAITING and time.monotonic() - self._ready_since < PATIENCE_S:
            return
        # A share of what waits at least, or a replay at full speed would hold more and more.
        self._use([ready.popleft() for _ in range(min(len(ready), max(PORTION, len(ready) // 16)))])

    def _use(self, bars: list[Bar]) -> None:
        fills: list[Bar] = []
        for bar in bars:
            idx = self._tape.number(bar.sym)
            known = self._tape.minutes.compare(idx, bar)
            if known is Known.DIFFERS:
                self.counts.differ += 1
            elif known is Known.UNKNOWN or (known is Known.NO_SECONDS and bar.t <= self._tape.restored[idx]):
                self._on_unsure(bar)
            elif known is Known.NO_SECONDS:
                fills.append(bar)
        self.fill(fills)

    def fill(self, bars: list[Bar]) -> None:
        """Stores minute bars whose minutes have no second bars, as far as none came while that was being found out."""
        before = self._tape.counts.filled
        compare, number = self._tape.minutes.compare, self._tape.number
        self._store([b for b in bars if compare(number(b.sym), b) in (Known.NO_SECONDS, Known.UNKNOWN)])
        self.counts.filled += self._tape.counts.filled - before

    def make_way(self, taken: Taken) -> None:
        """For second bars just queued: the fills of their minutes go. After the bars, never before: a crash, or a Redis
        without room for them, must not leave the minute with neither."""
        self._seconds_seen = True
        if not self._subscribed:
            return
        held = self._tape.minutes.take_fills(taken.idx, taken.t, taken.close == taken.close)
        minute = taken.t - taken.t % MINUTE_MS
        doubtful = held | (minute <= self._tape.restored[taken.idx])
        for symbol, start in sorted({(taken.bars[i].sym, int(minute[i])) for i in np.flatnonzero(doubtful).tolist()}):
            self._writer.put_command(*make_way_args(symbol, start))
