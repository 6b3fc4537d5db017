"""Minute bars (`AM`, or CSV files): they fill minutes that have no second bars, and are compared with those that have.

A filling minute is one sample in the 1s series, marked by its time (codec.minute_mark), so that the compaction rules roll
it up with everything else. When a second bar of that minute comes after all, the fill is removed.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ingest.bars.market_state import MarketState, Taken
from ingest.bars.minutes import Known
from market.bar import MINUTE_MS, Bar

#: Second bars come up to 2 s after their second (the vendor waits for late prints), so a minute bar waits a little longer.
HOLD_MS = 5_000
IDLE_S = 2.0
#: The minute bars of the whole market come at once, while second bars go on. So they are used in portions of this many, the
#: next one when no more than that wait for the store: a second bar then waits for one portion, not for 10,000 bars.
PORTION, FEW_WAITING = 500, 500
#: Should the store never be that idle, they are used all the same: what waits longer would be lost by a crash.
PATIENCE_S = 2.0


class FillRemoved(NamedTuple):
    """The minute bar that fills the minute starting at `minute` (epoch ms) is to be removed from the store."""

    symbol: str
    minute: int


class Judged(NamedTuple):
    """Minute bars by what is to be done: `fills` are stored; of `unsure` ones the store must be asked for seconds first."""

    fills: list[Bar]
    unsure: list[Bar]


class MinuteBars:
    """Holds minute bars until the seconds of their minute must have come, then returns them by portions to be judged."""

    def __init__(self, tape: MarketState, subscribed: bool) -> None:
        """`subscribed`: minute bars will come, so fills of an earlier process may be in the store."""
        self.differ = 0  # minute bars that differ from their second bars, since the start
        self._tape = tape
        self._subscribed = subscribed
        self._held: list[Bar] = []
        self._due = 0  # when the first of them may be used, by the event clock
        self._since = 0.0  # monotonic time of the newest held bar
        self._ready: deque[Bar] = deque()  # no longer held, used in portions
        self._ready_since = 0.0
        self._seconds_seen = False

    @property
    def filled(self) -> int:
        """Minutes filled since the start."""
        return self._tape.counts.filled

    @property
    def is_busy(self) -> bool:
        """Whether a portion waits for its turn."""
        return bool(self._ready)

    def take(self, bars: list[Bar]) -> list[Bar]:
        """Takes new minute bars; returns those that may be used now. Where no second bar was ever seen, all may."""
        self._subscribed = True
        if not self._seconds_seen:
            return bars
        due = min(b.t for b in bars) + MINUTE_MS + HOLD_MS
        self._due = min(self._due, due) if self._held else due
        self._held += bars
        self._since = time.monotonic()
        return []

    def release(self, clock: int, waiting: int) -> list[Bar]:
        """The next portion of those whose minute's seconds must have come by the event clock; `waiting`: bars that wait for
        the store."""
        if self._held and clock >= self._due:
            self._let_go(b for b in self._held if clock - HOLD_MS >= b.t + MINUTE_MS)
            self._held = [b for b in self._held if clock - HOLD_MS < b.t + MINUTE_MS]
            self._due = min((b.t for b in self._held), default=0) + MINUTE_MS + HOLD_MS
        return self._portion(waiting)

    def idle(self, waiting: int) -> list[Bar]:
        """The next portion; of all that is held when none came for IDLE_S, so that the event clock may stand still."""
        if self._held and time.monotonic() - self._since > IDLE_S:
            self._let_go(self._held)
            self._held = []
        return self._portion(waiting)

    def release_all(self) -> list[Bar]:
        """All there is."""
        bars = [*self._ready, *self._held]
        self._ready.clear()
        self._held = []
        return bars

    def judge(self, bars: Iterable[Bar]) -> Judged:
        """What is to be done with bars that may be used."""
        judged = Judged([], [])
        for bar in bars:
            idx = self._tape.number(bar.sym)
            known = self._tape.minutes.compare(idx, bar)
            if known is Known.DIFFERS:
                self.differ += 1
            elif known is Known.UNKNOWN or (known is Known.NO_SECONDS and bar.t <= self._tape.restored[idx]):
                judged.unsure.append(bar)
            elif known is Known.NO_SECONDS:
                judged.fills.append(bar)
        return judged

    def still_missing(self, bars: Sequence[Bar]) -> list[Bar]:
        """Of minute bars without seconds in the store, those whose seconds did not come while the store was asked."""
        compare, number = self._tape.minutes.compare, self._tape.number
        return [b for b in bars if compare(number(b.sym), b) in (Known.NO_SECONDS, Known.UNKNOWN)]

    def removed_by(self, taken: Taken) -> list[FillRemoved]:
        """The fills whose minutes these second bars belong to. They are removed after the bars are stored, never before: a
        crash, or a store that is full, must not leave the minute with neither."""
        self._seconds_seen = True
        if not self._subscribed:
            return []
        held = self._tape.minutes.take_fills(taken.idx, taken.t, taken.close == taken.close)
        minute = taken.t - taken.t % MINUTE_MS
        doubtful = held | (minute <= self._tape.restored[taken.idx])
        found = {(taken.bars[i].sym, int(minute[i])) for i in np.flatnonzero(doubtful).tolist()}
        return [FillRemoved(symbol, start) for symbol, start in sorted(found)]

    def _let_go(self, bars: Iterable[Bar]) -> None:
        if not self._ready:
            self._ready_since = time.monotonic()
        self._ready.extend(bars)

    def _portion(self, waiting: int) -> list[Bar]:
        ready = self._ready
        if not ready or (waiting > FEW_WAITING and time.monotonic() - self._ready_since < PATIENCE_S):
            return []
        # A share of what waits at least, or a replay at full speed would hold more and more.
        return [ready.popleft() for _ in range(min(len(ready), max(PORTION, len(ready) // 16)))]
