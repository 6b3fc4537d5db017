"""The state of every symbol in numpy arrays: newest second, last price, the volume and change of the day.

The clock is event time: the newest second of any bar. Days are New York days of that clock.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ingest.bars.minutes import Minutes
from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.price import SCALE, real
from market.sessions import TradingDay, day_of
from market.symbols import is_test_symbol

log = logging.getLogger("tapewatch.ingest")

#: Symbols at most; the whole US market has some 12,000. A feed that makes up symbols without end would fill the memory.
MAX_SYMBOLS = 50_000
#: A bar may be this far ahead of the wall clock (clocks differ a little); further ahead it would block its series.
AHEAD_MS = 5_000
ACTIVE_MS = 60_000

_start = itemgetter(1)  # of a bar


@dataclass(slots=True)
class Taken:
    """A batch that was accepted: the bars with their symbol numbers, and which are their symbol's newest."""

    bars: list[Bar]
    idx: NDArray[np.int64]
    t: NDArray[np.int64]
    close: NDArray[np.float64]
    newest: list[bool]


class _Columns(NamedTuple):
    """A batch by columns: numbers of the symbols, starts, which are seconds; the others NaN where they are not set."""

    idx: NDArray[np.int64]
    t: NDArray[np.int64]
    seconds: NDArray[np.bool_]
    high: NDArray[np.float64]
    low: NDArray[np.float64]
    close: NDArray[np.float64]
    volume: NDArray[np.float64]
    day_volume: NDArray[np.float64]  # the vendor's volume of the day

    def where(self, keep: NDArray[np.bool_]) -> _Columns:
        idx, t, seconds, high, low, close, volume, day_volume = self
        return _Columns(
            idx[keep], t[keep], seconds[keep], high[keep], low[keep], close[keep], volume[keep], day_volume[keep]
        )  # fmt: skip


@dataclass
class MarketCounts:
    """Since the start."""

    restated: int = 0
    filled: int = 0  # minutes, by a minute bar
    beyond: int = 0  # bars, prints and halts of further symbols than there may be
    rejected: dict[str, int] = field(default_factory=dict)
    ahead_ms: int = 0  # of the newest bar that was rejected last as one of the future, ahead of the wall clock
    rejected_from: int | None = None  # the earliest time (epoch ms) that was rejected since this was set to None

    def reject(self, reason: str, bars: Sequence[Bar]) -> None:
        """Counts bars that are rejected for their time."""
        if bars:
            self.rejected[reason] = self.rejected.get(reason, 0) + len(bars)
            self.reject_from(min(map(_start, bars)))

    def reject_from(self, t: int) -> None:
        """Notes that something of time `t` was rejected."""
        self.rejected_from = t if self.rejected_from is None else min(t, self.rejected_from)


class MarketState:
    """The state of all symbols, which are numbered as they appear. Only its own methods change it."""

    def __init__(self, lateness_ms: int, capacity: int = 1024, max_symbols: int = MAX_SYMBOLS) -> None:
        """Events of further symbols than `max_symbols` are counted and not taken; symbols of the store always are."""
        self.lateness_ms = lateness_ms
        self.max_symbols = max_symbols
        self.symbols: list[str] = []
        self.index: dict[str, int] = {}
        self.clock = 0
        self.day: TradingDay | None = None
        self.counts = MarketCounts()
        self.minutes = Minutes(capacity)
        self.newest = np.full(capacity, -1, dtype=np.int64)
        self.last = np.full(capacity, np.nan)  # real prices
        self.priced = np.full(capacity, -1, dtype=np.int64)  # the second that `last` is of
        self.volume = np.zeros(capacity)  # of the day
        self.previous_close = np.full(capacity, np.nan)
        #: The newest second that an earlier process stored: up to it the store may hold what this one never saw.
        self.restored = np.full(capacity, -1, dtype=np.int64)
        self.restated = np.zeros(capacity, dtype=np.int64)  # bars, by a later version
        self.aggregated = np.zeros(capacity, dtype=bool)  # the vendor itself sends the symbol's second bars
        self.is_test = np.zeros(capacity, dtype=bool)  # the exchanges use the symbol for tests only
        self._stored: tuple[TradingDay, NDArray[np.float64]] | None = None  # a day's volumes when this process began

    def number(self, symbol: str) -> int:
        """The symbol's number; a new one is given when it first appears."""
        idx = self.index.get(symbol)
        if idx is None:
            idx = self.index[symbol] = len(self.symbols)
            self.symbols.append(symbol)
            if idx == len(self.newest):
                self._grow(2 * idx)
            self.is_test[idx] = is_test_symbol(symbol)
        return idx

    @property
    def is_full(self) -> bool:
        """Whether there are as many symbols as there may be."""
        return len(self.symbols) >= self.max_symbols

    def admits(self, symbol: str) -> bool:
        """Whether events of the symbol are taken: it has a number, or there may be one more. Counts those that are not, and
        logs the first."""
        if symbol in self.index or not self.is_full:
            return True
        if not self.counts.beyond:
            log.error(
                "there are %d symbols, the events of %s and all further ones are not taken: raise TAPEWATCH_MAX_SYMBOLS if "
                "they are real",
                len(self.symbols), symbol,
            )  # fmt: skip
        self.counts.beyond += 1
        return False

    def _admitted(self, bars: list[Bar]) -> list[Bar]:
        """The bars of symbols that have a number or get one."""
        admitted = []
        for bar in bars:
            if self.admits(bar.sym):
                self.number(bar.sym)
                admitted.append(bar)
        return admitted

    def _grow(self, capacity: int) -> None:
        more = capacity - len(self.newest)
        self.newest = np.concatenate([self.newest, np.full(more, -1, dtype=np.int64)])
        self.last = np.concatenate([self.last, np.full(more, np.nan)])
        self.priced = np.concatenate([self.priced, np.full(more, -1, dtype=np.int64)])
        self.volume = np.concatenate([self.volume, np.zeros(more)])
        self.previous_close = np.concatenate([self.previous_close, np.full(more, np.nan)])
        self.restored = np.concatenate([self.restored, np.full(more, -1, dtype=np.int64)])
        self.restated = np.concatenate([self.restated, np.zeros(more, dtype=np.int64)])
        self.aggregated = np.concatenate([self.aggregated, np.zeros(more, dtype=bool)])
        self.is_test = np.concatenate([self.is_test, np.zeros(more, dtype=bool)])
        self.minutes.grow(capacity)

    def restore(self, symbol: str, newest: int, last: float | None) -> None:
        """What the store held of `symbol` when this process began."""
        idx = self.number(symbol)
        self.newest[idx] = self.restored[idx] = newest
        if last is not None:
            self.last[idx], self.priced[idx] = last, newest

    def restore_volume(self, day: TradingDay, volumes: Mapping[str, float]) -> None:
        """What the store holds of the volume of `day`, up to the newest second of each symbol that `restore` was given."""
        known = np.zeros(max((self.number(symbol) for symbol in volumes), default=-1) + 1)
        for symbol, volume in volumes.items():
            known[self.number(symbol)] = volume
        self._stored = day, known

    def take_repaired(self, bars: Sequence[Bar], *, built: bool) -> bool:
        """Records bars of one symbol that were missing, ascending and of one span, as if they had arrived live; returns whether
        the last of them is the symbol's newest.

        The vendor's volume of the day exceeds the sum of its bars; where seconds are `built` from trades, there is none.
        """
        idx, last = self.number(bars[0].sym), bars[-1]
        if bars[0].span == MINUTE_MS:
            first = [self.minutes.fill(idx, bar) for bar in bars]
        else:
            t = np.array([bar.t for bar in bars], np.int64)
            high, low, volume = (np.array([bar[i] for bar in bars], np.float64) for i in (3, 4, 6))
            first = self.minutes.add(np.full(len(bars), idx, np.int64), t, high, low, volume).tolist()
        newest = int(self.newest[idx])
        if self.day is not None:
            start, end = self.day.start, self.day.end
            self.volume[idx] += sum(
                bar.v
                for bar, new in zip(bars, first, strict=True)
                if new and start <= bar.t < end and (built or bar.t > newest)
            )
        priced = next((bar for bar in reversed(bars) if bar.c is not None), None)
        if priced is not None and priced.c is not None and priced.t > self.priced[idx]:
            self.last[idx], self.priced[idx] = real(priced.c), priced.t
        if last.t <= newest:
            return False
        self.newest[idx] = last.t
        self.clock = max(self.clock, last.t)
        return True

    def take(self, bars: list[Bar], now_ms: int) -> list[Taken]:
        """Accepts second or minute bars in order of arrival; returns one `Taken` for each day that they lie in.

        Rejected and counted: bars ahead of the wall clock, bars so late that writing them would damage larger candles, and
        those of too many symbols.
        """
        newest = max(map(_start, bars), default=0)
        if newest > now_ms + AHEAD_MS:
            fit = [b for b in bars if b.t <= now_ms + AHEAD_MS]
            self.counts.ahead_ms = newest - now_ms
            self.counts.reject("future", [b for b in bars if b.t > now_ms + AHEAD_MS])
            bars = fit
        if len(self.symbols) + len(bars) > self.max_symbols:  # there may be too many; else nothing needs a look
            bars = self._admitted(bars)
        if not bars:
            return []
        if self.day is None:
            self._begin(day_of(min(map(_start, bars))))
        assert self.day is not None
        taken: list[Taken] = []
        while newest >= (end := self.day.end) and (later := [b for b in bars if b.t >= end]):
            # A new day begins within the batch: what lies before is taken first.
            if len(later) < len(bars):
                taken.append(self._accept([b for b in bars if b.t < end]))
            self._begin(day_of(min(b.t for b in later)))
            bars = later
        taken.append(self._accept(bars))
        return taken

    def _begin(self, day: TradingDay) -> None:
        if self.day is not None:
            n = len(self.symbols)
            known = ~np.isnan(self.last[:n])
            self.previous_close[:n][known] = self.last[:n][known]
        self.day = day
        self.volume[:] = 0.0
        if self._stored is not None and self._stored[0].start <= day.start:
            stored_day, stored = self._stored
            if stored_day == day:
                self.volume[: len(stored)] = stored
            self._stored = None

    def _accept(self, bars: list[Bar]) -> Taken:
        columns = self._columns(bars)
        keep = self._not_too_late(columns.idx, columns.t)
        if not keep.all():
            self.counts.reject("too_late", [b for b, k in zip(bars, keep.tolist(), strict=True) if not k])
            bars = [b for b, k in zip(bars, keep.tolist(), strict=True) if k]
            columns = columns.where(keep)
        if bars:
            self._note(bars, columns)
        idx, t, close = columns.idx, columns.t, columns.close
        return Taken(bars, idx, t, close, (t == self.newest[idx]).tolist())

    def _columns(self, bars: list[Bar]) -> _Columns:
        symbols, times, _, high, low, close, volume, _, spans, day_volume = zip(*bars, strict=True)
        known = list(map(self.index.get, symbols))
        if None in known:
            known = [self.number(symbol) for symbol in symbols]
        return _Columns(
            np.array(known, np.int64), np.array(times, np.int64), np.array(spans) == SECOND_MS,
            *(np.array(column, np.float64) for column in (high, low, close, volume, day_volume)),
        )  # fmt: skip

    def _not_too_late(self, idx: NDArray[np.int64], t: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Which bars may be written; advances `newest`. In order of arrival: a bar is compared with those before it."""
        if len(t) and t.max() - t.min() < self.lateness_ms:
            # Within such a batch no bar can make another too late, so all are measured at once.
            keep = t >= self.newest[idx] - self.lateness_ms
            np.maximum.at(self.newest, idx[keep], t[keep])
            return keep
        keep = np.ones(len(t), dtype=bool)
        for position, (i, at) in enumerate(zip(idx.tolist(), t.tolist(), strict=True)):
            keep[position] = at >= self.newest[i] - self.lateness_ms
            if at > self.newest[i]:
                self.newest[i] = at
        return keep

    def _note(self, bars: list[Bar], columns: _Columns) -> None:
        idx, t, seconds, high, low, close, volume, day_volume = columns
        first = self.minutes.add(idx, t, high, low, volume) if seconds.all() else self._note_minutes(bars, columns)
        if not first.all():
            self.counts.restated += int(len(first) - first.sum())
            np.add.at(self.restated, idx[~first], 1)
        assert self.day is not None
        today = t >= self.day.start
        silent = np.isnan(day_volume)
        # What the store held when this process began is in the volume already.
        add = first & today & silent & (t > self.restored[idx])
        if add.any():
            np.add.at(self.volume, idx[add], volume[add])
        newest = (t == self.newest[idx]) & today & ~silent
        self.volume[idx[newest]] = day_volume[newest]
        priced = ~np.isnan(close)
        np.maximum.at(self.priced, idx[priced], t[priced])
        priced &= t == self.priced[idx]
        self.last[idx[priced]] = close[priced] / SCALE
        self.clock = max(self.clock, int(t.max()))

    def _note_minutes(self, bars: list[Bar], columns: _Columns) -> NDArray[np.bool_]:
        """Records a batch with minute bars; returns which bars are new."""
        idx, t, seconds, high, low, _, volume, _ = columns
        first = np.ones(len(bars), dtype=bool)
        first[seconds] = self.minutes.add(idx[seconds], t[seconds], high[seconds], low[seconds], volume[seconds])
        for row in np.flatnonzero(~seconds).tolist():
            first[row] = self.minutes.fill(int(idx[row]), bars[row])
        self.counts.filled += int(first[~seconds].sum())
        return first

    def change(self) -> NDArray[np.float64]:
        """Percent since the previous close, per symbol; NaN where that is not known."""
        n = len(self.symbols)
        with np.errstate(invalid="ignore", divide="ignore"):
            percent: NDArray[np.float64] = (self.last[:n] / self.previous_close[:n] - 1.0) * 100.0
        return percent

    def traded_today(self) -> NDArray[np.bool_]:
        """Per symbol, whether it traded on the day of the clock; False for the exchanges' test symbols."""
        n = len(self.symbols)
        if self.day is None:
            return np.zeros(n, dtype=bool)
        traded: NDArray[np.bool_] = (self.newest[:n] >= self.day.start) & ~self.is_test[:n]
        return traded

    def active(self) -> int:
        """Symbols that traded within the last minute of the clock."""
        return int((self.newest[: len(self.symbols)] > self.clock - ACTIVE_MS).sum()) if self.clock else 0
