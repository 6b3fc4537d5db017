"""The velocity-spike detector: all symbols at once, in event time.

The velocity of a second bar that starts at t is, in percent,

    (close - reference) / base x 100

where the reference is the close of the symbol's newest bar that starts at or before t - window (there is none when
that bar starts more than window + max_age before t), and the base is the symbol's previous close where one is known
and asked for, else the reference. Without a reference there is no velocity (NaN): so it is in the first seconds of a
symbol and after a pause.

A spike is a bar whose velocity is at or beyond the threshold, up or down, unless one of the same symbol and direction
fired less than the cooldown of event time away. A bar that comes late or again is judged only while it starts less than
a window before the symbol's newest bar; an older one only takes its place among the references.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy import count_nonzero
from numpy.typing import NDArray

SECOND_MS = 1_000

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: The time of a place that holds no bar: so early that it is always stale, and far from overflow.
_NEVER = -(1 << 61)
#: Percent; a move of exactly the threshold counts, whatever binary fractions made of it.
_ROUNDING = 1e-9
#: Fewer bars than this are worked on one by one: cheaper than the fixed cost of array operations.
_FEW = 4


class Spike(NamedTuple):
    """A bar that moved too fast: `t` epoch ms, `velocity` in percent (signed), the others in the unit of the closes."""

    idx: int
    t: int
    velocity: float
    close: float
    reference: float


class Update(NamedTuple):
    """The result of a batch: one velocity per bar, NaN where there is none, and the spikes left after the cooldown, both in
    the order of the batch."""

    velocity: Floats
    spikes: list[Spike]


class Detector:
    """Keeps the last seconds of every symbol, enough to find the reference of any bar that is still judged.

    Times are whole seconds in epoch ms. Closes are of any unit that the previous closes are in too. A batch gives
    exactly what its bars would give one by one.
    """

    def __init__(
        self,
        window_s: int = 5,
        threshold: float = 0.5,
        cooldown_s: float = 300,
        base: str = "previous_close",
        max_age_s: float = 30,
    ) -> None:
        """`threshold` in percent; `base` is previous_close or window_start. Raises ValueError."""
        if base not in ("previous_close", "window_start"):
            raise ValueError(f"velocity base {base!r} is neither previous_close nor window_start")
        if window_s < 1 or not threshold > 0:
            raise ValueError("the velocity window must be at least a second and the threshold above zero")
        self.window_ms = window_s * SECOND_MS
        self.max_age_ms = round(max_age_s * SECOND_MS)
        self.cooldown_ms = round(cooldown_s * SECOND_MS)
        self.threshold = threshold
        self.base = base
        self.symbols: list[str] = []
        self._index: dict[str, int] = {}
        # A judged bar starts less than a window before the newest one, so its reference is among the newest 2 x window.
        self._places = places = 2 * window_s
        self._next = np.roll(np.arange(places), -1)
        #: By the place of the newest bar: all places, the oldest first.
        self._order = (np.arange(places) + np.arange(1, places + 1)[:, None]) % places
        self._fired: dict[tuple[int, bool], int] = {}
        # Rings: one row per place, one column per symbol, times ascending up to the newest place.
        self._capacity = capacity = 64
        self._times: Ints = np.full((places, capacity), _NEVER, np.int64)
        self._closes: Floats = np.full((places, capacity), np.nan)
        self._newest_place: Ints = np.zeros(capacity, np.int64)
        self._newest_t: Ints = np.full(capacity, _NEVER, np.int64)
        self._velocity: Floats = np.full(capacity, np.nan)
        self._previous: Floats = np.full(capacity, np.nan)
        self._stamp: Ints = np.zeros(capacity, np.int64)
        self._rows: Ints = np.arange(1024)

    def _grow(self) -> None:
        self._capacity *= 2
        self._times = _widened(self._times, _NEVER)
        self._closes = _widened(self._closes, np.nan)
        self._newest_place = _widened(self._newest_place, 0)
        self._newest_t = _widened(self._newest_t, _NEVER)
        self._velocity = _widened(self._velocity, np.nan)
        self._previous = _widened(self._previous, np.nan)
        self._stamp = _widened(self._stamp, 0)

    # --- symbols and previous closes

    def index(self, symbol: str) -> int:
        """The number of `symbol` here, assigned at first sight: 0, 1, 2, …"""
        known = self._index.get(symbol)
        if known is not None:
            return known
        if len(self.symbols) == self._capacity:
            self._grow()
        self._index[symbol] = len(self.symbols)
        self.symbols.append(symbol)
        return len(self.symbols) - 1

    def set_previous_close(self, symbol: int | str, price: float | None) -> None:
        """The close that velocities of `symbol` are a percentage of from now on; None or not positive: not known."""
        idx = self.index(symbol) if isinstance(symbol, str) else symbol
        self._previous[idx] = price if price is not None and 0 < price < np.inf else np.nan

    @property
    def velocity(self) -> Floats:
        """Per symbol the velocity of its newest bar, NaN where there is none; a view that goes on changing."""
        return self._velocity[: len(self.symbols)]

    @property
    def newest_t(self) -> Ints:
        """Per symbol the start of its newest bar, far below zero before the first; a view that goes on changing."""
        return self._newest_t[: len(self.symbols)]

    # --- bars

    def update(self, idx: Ints, t: Ints, close: Floats) -> Update:
        """Takes a batch: symbol numbers, starts (epoch ms) and closes, arrays of one length, in any order.

        A close that is not a positive number has no velocity and is not kept.
        """
        velocity, reference = self._velocities(idx, t, close)
        hits = (np.abs(velocity) >= self.threshold - _ROUNDING).nonzero()[0]
        found = (
            Spike(int(idx[row]), int(t[row]), float(velocity[row]), float(close[row]), float(reference[row]))
            for row in hits
        )
        return Update(velocity, [spike for spike in found if self._fires(spike)])

    def _fires(self, spike: Spike) -> bool:
        """Whether the cooldown allows `spike`, which then restarts it."""
        subject = (spike.idx, spike.velocity > 0)
        last = self._fired.get(subject)
        if last is None:
            self._fired[subject] = spike.t
            return True
        if abs(spike.t - last) < self.cooldown_ms:
            return False
        self._fired[subject] = max(spike.t, last)
        return True

    def _velocities(self, idx: Ints, t: Ints, close: Floats) -> tuple[Floats, Floats]:
        """Velocity and reference of each bar, taken in the order of the batch."""
        if not len(idx):
            return np.empty(0), np.empty(0)
        usable = (close > 0) & (close < np.inf)
        if count_nonzero(usable) < len(idx):
            return self._in_parts([np.flatnonzero(usable)], idx, t, close)
        if len(idx) > len(self._rows):
            self._rows = np.arange(2 * len(idx))
        rows = self._rows[: len(idx)]
        self._stamp[idx] = rows
        if count_nonzero(self._stamp[idx] == rows) == len(idx):
            return self._once_each(idx, t, close)
        return self._in_parts(_rounds(idx), idx, t, close)

    def _in_parts(self, parts: Iterable[Ints], idx: Ints, t: Ints, close: Floats) -> tuple[Floats, Floats]:
        velocity, reference = np.full(len(idx), np.nan), np.full(len(idx), np.nan)
        for rows in parts:
            velocity[rows], reference[rows] = self._velocities(idx[rows], t[rows], close[rows])
        return velocity, reference

    def _once_each(self, idx: Ints, t: Ints, close: Floats) -> tuple[Floats, Floats]:
        """`_velocities` of bars of different symbols: those newer than the known ones at once, the others one by one."""
        late = t <= self._newest_t[idx]
        if len(idx) >= _FEW and not count_nonzero(late):
            return self._newer(idx, t, close)
        velocity, reference = np.full(len(idx), np.nan), np.full(len(idx), np.nan)
        newer = np.flatnonzero(~late)
        if len(newer) >= _FEW:
            velocity[newer], reference[newer] = self._newer(idx[newer], t[newer], close[newer])
            rest = np.flatnonzero(late)
        else:
            rest = self._rows[: len(idx)]
        for row in rest:
            velocity[row], reference[row] = self._single(int(idx[row]), int(t[row]), float(close[row]))
        return velocity, reference

    def _newer(self, idx: Ints, t: Ints, close: Floats) -> tuple[Floats, Floats]:
        """The ordinary case: each bar is of another symbol and newer than all that is held of it."""
        capacity = self._capacity
        times, closes = self._times.reshape(-1), self._closes.reshape(-1)
        place = self._newest_place[idx]
        latest = t - self.window_ms
        inside = np.add.reduce(self._times.take(idx, axis=1) > latest, axis=0, dtype=np.int64)
        # Going back from the newest place; below the first row the ring goes on at the last one.
        at = (place - inside) * capacity + idx
        reference = closes.take(at, mode="wrap")
        reference[times.take(at, mode="wrap") < latest - self.max_age_ms] = np.nan
        base = reference
        if self.base == "previous_close":
            previous = self._previous[idx]
            base = np.where(previous > 0, previous, reference)
        velocity = (close - reference) * 100 / base

        place = self._next[place]
        at = place * capacity + idx
        times[at], closes[at] = t, close
        self._newest_place[idx], self._newest_t[idx], self._velocity[idx] = place, t, velocity
        return velocity, reference

    def _single(self, idx: int, t: int, close: float) -> tuple[float, float]:
        """Any bar of one symbol: new, late or repeated."""
        order = self._order[self._newest_place[idx]]
        times, closes = self._times[order, idx].tolist(), self._closes[order, idx].tolist()
        after = bisect_right(times, t)
        if after and times[after - 1] == t:
            closes[after - 1] = close
        elif not after:
            return np.nan, np.nan  # older than all that can still be a reference
        else:
            times.insert(after, t)
            closes.insert(after, close)
            del times[0], closes[0]
        self._times[:, idx], self._closes[:, idx] = times, closes
        self._newest_place[idx], self._newest_t[idx] = self._places - 1, times[-1]
        self._velocity[idx], newest_reference = self._judged(idx, times[-1], closes[-1], times, closes)
        if t == times[-1]:
            return float(self._velocity[idx]), newest_reference
        if times[-1] - t >= self.window_ms:
            return np.nan, np.nan
        return self._judged(idx, t, close, times, closes)

    def _judged(self, idx: int, t: int, close: float, times: list[int], closes: list[float]) -> tuple[float, float]:
        """Velocity and reference of a bar among the held ones, which ascend; NaN where there is none."""
        before = bisect_right(times, t - self.window_ms) - 1
        if before < 0 or t - self.window_ms - times[before] > self.max_age_ms:
            return np.nan, np.nan
        reference, previous = closes[before], float(self._previous[idx])
        base = previous if self.base == "previous_close" and previous > 0 else reference
        return (close - reference) * 100 / base, reference


def _widened(array: NDArray[Any], empty: float) -> NDArray[Any]:
    """`array` with as many columns again, which hold `empty`."""
    return np.concatenate([array, np.full_like(array, empty)], axis=-1)


def _rounds(idx: Ints) -> Iterator[Ints]:
    """Rows of the batch in rounds: in each round a symbol comes once, over the rounds in the order of the batch."""
    order = np.argsort(idx, kind="stable")
    ordered = idx[order]
    starts = np.flatnonzero(np.r_[True, ordered[1:] != ordered[:-1]])
    lengths = np.diff(np.r_[starts, len(idx)])
    nth = np.arange(len(idx)) - np.repeat(starts, lengths)
    for turn in range(int(lengths.max())):
        yield order[nth == turn]
