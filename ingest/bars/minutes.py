"""What second bars contributed to each minute, so that a minute bar fills only minutes without them.

A ring of the last sixteen minutes per symbol (the vendor restates bars for fifteen), all symbols at once in numpy.
"""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bar import MINUTE_MS, Bar

RING = 16


class Known(Enum):
    """What the ring knows of a minute."""

    NO_SECONDS = "no second bars"
    SAME = "second bars that agree"
    DIFFERS = "second bars that differ"
    UNKNOWN = "too old for the ring"


class Minutes:
    """Per symbol and minute: which seconds came, and their high, low and volume."""

    def __init__(self, capacity: int = 1024) -> None:
        # Place idx * RING + minute % RING: with one index numpy's `at` is several times faster than with two.
        size = capacity * RING
        self._minute = np.full(size, -1, dtype=np.int64)
        self._seconds = np.zeros(size, dtype=np.uint64)  # a bit a second
        self._high = np.full(size, -np.inf)
        self._low = np.full(size, np.inf)
        self._volume = np.zeros(size)
        self._restated = np.zeros(size, dtype=bool)
        self._filled = np.zeros(size, dtype=bool)  # by a minute bar

    def grow(self, capacity: int) -> None:
        """Grows the arrays to `capacity` symbols."""
        more = capacity * RING - len(self._minute)
        if more <= 0:
            return
        fills: dict[str, float | int | bool] = {
            "_minute": -1, "_seconds": 0, "_high": -np.inf, "_low": np.inf, "_volume": 0.0, "_restated": False,
            "_filled": False,
        }  # fmt: skip
        for name, fill in fills.items():
            old = getattr(self, name)
            setattr(self, name, np.concatenate([old, np.full(more, fill, dtype=old.dtype)]))

    def add(
        self,
        idx: NDArray[np.int64],
        t: NDArray[np.int64],
        high: NDArray[np.float64],
        low: NDArray[np.float64],
        volume: NDArray[np.float64],
    ) -> NDArray[np.bool_]:
        """Notes second bars (NaN where a price is not set); True where that second was not seen before."""
        minute = t // MINUTE_MS
        if len(minute) and minute.max() - minute.min() >= RING:
            # Two minutes of one batch share a slot: they are taken in order of time.
            new = np.zeros(len(t), dtype=bool)
            for m in np.unique(minute):
                part = np.flatnonzero(minute == m)
                new[part] = self.add(idx[part], t[part], high[part], low[part], volume[part])
            return new
        place = idx * RING + minute % RING
        newest = self._minute[place]
        stale = newest < minute
        if stale.any():
            self._turn(place[stale], minute[stale])
        held = newest <= minute
        if not held.all():
            # Bars of minutes that have left the ring add nothing, and never count as the first of their second.
            new = np.zeros(len(t), dtype=bool)
            new[held] = self.add(idx[held], t[held], high[held], low[held], volume[held])
            return new
        bit = np.uint64(1) << (t // 1000 % 60).astype(np.uint64)
        seen = ((self._seconds[place] & bit) != 0) | _repeats(idx, t)
        first: NDArray[np.bool_] = ~seen
        np.bitwise_or.at(self._seconds, place, bit)
        np.fmax.at(self._high, place, high)
        np.fmin.at(self._low, place, low)
        if seen.any():
            np.add.at(self._volume, place[first], volume[first])
            self._restated[place[seen]] = True
        else:
            np.add.at(self._volume, place, volume)
        return first

    def _turn(self, at: Any, minute: Any) -> None:
        """The places `at` now stand for `minute`, of which no second came yet."""
        self._minute[at] = minute
        self._seconds[at] = 0
        self._high[at], self._low[at], self._volume[at] = -np.inf, np.inf, 0.0
        self._restated[at] = self._filled[at] = False

    def seen(self, idx: int, bar: Bar) -> bool:
        """Whether the second of `bar` is known to have come, or its minute to be filled; of a minute bar: any second."""
        minute = bar.t // MINUTE_MS
        place = idx * RING + minute % RING
        if self._minute[place] != minute:
            return False
        seconds = int(self._seconds[place])
        known_seconds = seconds if bar.span == MINUTE_MS else seconds >> (bar.t // 1000 % 60) & 1
        return bool(self._filled[place] or known_seconds)

    def fill(self, idx: int, bar: Bar) -> bool:
        """Notes that a minute bar fills the minute (one too old for the ring is not noted); False if one did before."""
        minute = bar.t // MINUTE_MS
        place = idx * RING + minute % RING
        if self._minute[place] < minute:
            self._turn(place, minute)
        if self._minute[place] > minute:
            return True
        before = bool(self._filled[place])
        self._filled[place] = True
        return not before

    def take_fills(self, idx: NDArray[np.int64], t: NDArray[np.int64], priced: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """For second bars just added: whether their minute holds a fill, or may (too old to know). A bar with prices replaces
        the fill, which is then forgotten; one without leaves its prices."""
        minute = t // MINUTE_MS
        place = idx * RING + minute % RING
        held = self._minute[place]
        filled: NDArray[np.bool_] = (held > minute) | ((held == minute) & self._filled[place])
        gone = filled & priced & (held == minute)
        self._filled[place[gone]] = False
        return filled

    def compare(self, idx: int, bar: Bar) -> Known:
        """Compares `bar`, of the vendor's minute channel, with the seconds of its minute."""
        minute = bar.t // MINUTE_MS
        place = idx * RING + minute % RING
        held = self._minute[place]
        if held > minute:
            return Known.UNKNOWN
        if held < minute or not self._seconds[place]:
            return Known.NO_SECONDS
        if self._restated[place]:  # the sums are no longer exact; the store has the restated seconds
            return Known.SAME
        same = (
            bar.h == self._high[place] and bar.l == self._low[place]
            and abs(self._volume[place] - bar.v) <= 1e-6 * max(bar.v, 1.0)
        )  # fmt: skip
        return Known.SAME if same else Known.DIFFERS


def _repeats(idx: NDArray[np.int64], t: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which bars repeat the second of an earlier bar of the same batch."""
    found = np.zeros(len(t), dtype=bool)
    seconds = (idx << 38) | (t // 1000)
    ordered = np.sort(seconds)
    if (ordered[1:] == ordered[:-1]).any():
        seen: set[int] = set()
        for row, second in enumerate(seconds.tolist()):
            found[row] = second in seen
            seen.add(second)
    return found
