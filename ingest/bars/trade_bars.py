"""Trades become 1-second bars, by the consolidated tape's sale-condition rules.

Each field of a second is set only by prints that may set it, in the order of their time and sequence number (t, q), not
of their arrival. That holds for prints up to `LATE_MS` behind their symbol's newest one. Later prints move only high,
low, volume and notional; where the state of their second has been let go, they are handed out as `LatePrint`, to be
merged into what the store holds.

All sums are exact for whole sizes and sizes of up to six decimals, so the order of arrival cannot show in them either.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np

from ingest.bars.seen_keys import REMEMBER_MS, SeenKeys
from market.bar import SECOND_MS, Bar, Trade
from market.conditions import ALL, ConditionTable, Effect
from market.price import notional, ticks
from market.price_arrays import notionals_of, ticks_of
from market.sessions import day_of

#: A print this far behind its symbol's newest print still sets open and close; one millisecond more and it does not.
LATE_MS = 60_000

#: How often, in the symbol's event time, keys are looked through for old ones.
_TIDY_MS = 5 * 60_000

#: Decimals of a fractional size, as the tape reports it.
_SIZE_DECIMALS = 6


#: t, q, size, price and notional in ticks: a plain tuple, of which one is made a print.
_Print: TypeAlias = tuple[int, int, float, int, int]


class LatePrint(NamedTuple):
    """What a print that came too late for our memory does to its second, which starts at `t_second` (epoch ms).

    `price_ticks` may move high and low; it is None where the print may not. `size` and `notional` (ticks) are to be
    added; both are 0 where the print does not update volume.
    """

    sym: str
    t_second: int
    price_ticks: int | None
    size: float
    notional: int


class _Second:
    """A bar in the making, with the place (t, q) of the prints that set its open and its close."""

    __slots__ = ("book", "c", "changed", "first_q", "first_t", "h", "l", "last_q", "last_t", "n", "o", "t", "v")

    def __init__(self, book: _Book, t: int) -> None:
        self.book = book
        self.t = t
        self.o: int | None = None
        self.h: int | None = None
        self.l: int | None = None
        self.c: int | None = None
        self.v = 0.0
        self.n = 0
        self.first_t = self.first_q = self.last_t = self.last_q = 0
        #: Changed since it was taken last, and so among `TradeBars._changed`.
        self.changed = False

    def count(self, print_: _Print, effect: Effect) -> bool:
        """Counts a print in; whether it changed anything."""
        t, q, size, price, money = print_
        high_low, open_close, volume = effect
        changed = False
        if volume and size:
            self.v += size
            self.n += money
            changed = True
        if high_low:
            if self.h is None or self.l is None:
                self.h = self.l = price
                changed = True
            elif price > self.h:
                self.h = price
                changed = True
            elif price < self.l:
                self.l = price
                changed = True
        return self._move_open_close(price, t, q) or changed if open_close else changed

    def _move_open_close(self, price: int, t: int, q: int) -> bool:
        """Whether `price`, printed at (t, q), changed the open or the close. Of equal places, arrival decides."""
        if self.o is None:
            self.o = self.c = price
            self.first_t = self.last_t = t
            self.first_q = self.last_q = q
            return True
        if t > self.last_t or (t == self.last_t and q >= self.last_q):
            changed = price != self.c
            self.c, self.last_t, self.last_q = price, t, q
            return changed
        if t < self.first_t or (t == self.first_t and q < self.first_q):
            changed = price != self.o
            self.o, self.first_t, self.first_q = price, t, q
            return changed
        return False

    def bar(self) -> Bar:
        v = self.v
        if v % 1:
            v = round(v, _SIZE_DECIMALS)
        return Bar(self.book.sym, self.t, self.o, self.h, self.l, self.c, v, self.n)


class _Book:
    """One symbol: its newest print, the seconds still in memory by start, and the keys of its recent prints."""

    __slots__ = ("gone", "newest", "next_second", "seconds", "seen", "sym", "tidy_at")

    def __init__(self, sym: str) -> None:
        self.sym = sym
        self.newest = -REMEMBER_MS
        self.next_second = 0
        #: Seconds up to this start are out of reach of any print that is on time.
        self.gone = -LATE_MS
        self.seconds: dict[int, _Second] = {}
        self.seen = SeenKeys()
        self.tidy_at = 0

    def enter_second(self, t: int) -> None:
        """The newest print, at `t`, is the first of its second: forget what is old enough."""
        if t >= self.tidy_at:
            self._tidy(t)
        start = t - t % SECOND_MS
        self.next_second = start + SECOND_MS
        self.gone = start - SECOND_MS - LATE_MS
        seconds = self.seconds
        while seconds:
            oldest = next(iter(seconds))
            if oldest > self.gone or seconds[oldest].changed:
                break
            del seconds[oldest]

    def _tidy(self, t: int) -> None:
        if t - self.newest >= REMEMBER_MS:
            # Nothing that is left is young enough; and keys of another day may come again with another meaning.
            self.seen.clear()
        else:
            self.seen.tidy(t)
        self.tidy_at = t + _TIDY_MS


class TradeBars:
    """Builds the second bars of all symbols from their trades.

    Counters since the start: `duplicates` (prints left out because their key was there already), `late_prints` (more
    than `LATE_MS` behind), `unknown_conditions` (prints with a condition id that the table does not know).
    """

    def __init__(self, conditions: ConditionTable | None = None) -> None:
        self.duplicates = 0
        self.late_prints = 0
        #: Seconds before this (epoch ms) are not built here: their prints are handed out as late ones.
        self.floor = 0
        #: Where it is a set: every (symbol, start) that is built here, while that matters (see `Pipeline.begin`).
        self.built: set[tuple[str, int]] | None = None
        self._conditions = conditions or ConditionTable.frozen()
        self._unknown_before = 0
        self._books: dict[str, _Book] = {}
        #: By start, so that a look at what is finished costs little however much is not.
        self._changed: defaultdict[int, list[_Second]] = defaultdict(list)
        self._late: list[LatePrint] = []
        self._day_start = self._day_end = self._regular_open = self._regular_close = 0

    @property
    def unknown_conditions(self) -> int:
        return self._unknown_before + self._conditions.unknown_prints

    def refresh(self, conditions: ConditionTable) -> None:
        """From the next print on, this table holds."""
        self._unknown_before += self._conditions.unknown_prints
        self._conditions = conditions

    def __contains__(self, symbol: str) -> bool:
        return symbol in self._books

    def add(self, trade: Trade) -> None:
        """Count one print in. Its price and size must be finite, its size not negative."""
        self._add(trade, ticks(trade.p), notional(trade.p, trade.s))

    def add_many(self, trades: Sequence[Trade]) -> None:
        """Count prints in, in this order; quicker than one by one. Each price x size must be below 2**53 ticks."""
        add = self._add
        prices = np.array([trade.p for trade in trades], np.float64)
        money = notionals_of(prices, np.array([trade.s for trade in trades], np.float64))
        for trade, price, amount in zip(trades, ticks_of(prices).tolist(), money.tolist(), strict=True):
            add(trade, price, amount)

    def _add(self, trade: Trade, price: int, money: int) -> None:
        sym, t, _, size, c, q, key = trade
        book = self._books.get(sym)
        if book is None:
            book = self._books[sym] = _Book(sym)
        newest = book.newest
        if t > newest:
            if t >= book.next_second:
                book.enter_second(t)
            book.newest = newest = t
        if key is not None and not book.seen.add(key, newest):
            self.duplicates += 1
            return
        if not self._day_start <= t < self._day_end:
            self._enter_day(t)
        # Most prints have no condition: they need not ask the table.
        effect = self._conditions.effect(c, self._regular_open <= t < self._regular_close) if c else ALL
        if newest - t > LATE_MS:
            self.late_prints += 1
            effect = effect._replace(open_close=False)
        if not (effect.volume or effect.high_low or effect.open_close):
            return
        start = t - t % SECOND_MS
        second = book.seconds.get(start)
        if second is None and (second := self._begin(book, start)) is None:
            self._keep_late(book, start, price, size, money, effect)
        elif second.count((t, q, size, price, money), effect) and not second.changed:
            second.changed = True
            self._changed[start].append(second)

    def _begin(self, book: _Book, start: int) -> _Second | None:
        """The second from `start` on, which is not there yet; None where it has been let go."""
        if start <= book.gone or start < self.floor:
            return None
        second = book.seconds[start] = _Second(book, start)
        # Returned even where its first print sets no price.
        second.changed = True
        self._changed[start].append(second)
        if self.built is not None:
            self.built.add((book.sym, start))
        return second

    def take(self, before_ms: int | None = None) -> list[Bar]:
        """The seconds that changed since they were last taken and end at or before `before_ms` (None: all), by time.

        Each comes with all its fields. A second that changes again is taken again: its bar replaces the earlier one.
        """
        starts = list(self._changed)
        if before_ms is not None:
            starts = [start for start in starts if start + SECOND_MS <= before_ms]
        bars = []
        for start in sorted(starts):
            for second in self._changed.pop(start):
                second.changed = False
                if start <= second.book.gone:
                    del second.book.seconds[start]
                bars.append(second.bar())
        return bars

    def take_late(self) -> list[LatePrint]:
        """The late prints whose second has been let go, since the last call, in order of arrival."""
        late, self._late = self._late, []
        return late

    def _keep_late(self, book: _Book, start: int, price: int, size: float, money: int, effect: Effect) -> None:
        if not effect.volume:
            size = money = 0
        if effect.high_low or size:
            self._late.append(LatePrint(book.sym, start, price if effect.high_low else None, size, money))

    def _enter_day(self, t: int) -> None:
        day = day_of(t)
        self._day_start, self._day_end = day.start, day.end
        self._regular_open, self._regular_close = day.regular_open, day.regular_close
