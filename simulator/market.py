"""The simulated market: who trades in which second, at which price, how much; a function of (seed, symbol, second).

Nothing is drawn one after the other: price, activity and volume of any second are computed from hashes alone, so a
restarted simulator sends the same history, and the REST side answers the same market as the WebSocket.

Seconds are epoch seconds; prices real numbers (rounded to cents only where prints are made); volumes round lots.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property

import numpy as np

from market.sessions import TradingDay, day_of
from simulator.names import KNOWN, symbols
from simulator.noise import CASCADE_LEVELS, Floats, Ints, cascade, hashed, unit, value_noise
from simulator.spikes import Spikes

#: Everyone trades at least once in a period of this many seconds, so that no gap between trades reaches 10 s.
PERIOD_S = 8
#: The share of a low rate that goes into trading at least once a period; the rest goes to the busy symbols.
_FORCED_SHARE = 0.6
#: Price noise is this much of the price per unit of noise; 27 units in 5 s (the most there is) are below 0.2 %.
_CALMEST, _WILDEST = 2e-5, 6.5e-5
#: What a hash is for: the same second asks for many independent numbers.
PRICE, BASE, ACTIVITY, FORCED, VOLUME, WILDNESS, PRINTS, PHASE = range(8)

_LOT_SPAN = 1 << CASCADE_LEVELS


@dataclass(frozen=True)
class Halt:
    """One symbol (its index) silent from second `start` up to but not including `end`."""

    who: int
    start: int
    end: int


@dataclass
class Market:
    """`count` symbols with about `rate` bars a second over all of them (at most one a symbol and second)."""

    count: int
    rate: float
    seed: int
    spike_every: int = 60
    halts: list[Halt] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.names = symbols(self.count)
        self.index = {name: i for i, name in enumerate(self.names)}
        everyone = np.arange(self.count)
        self.keys = hashed(np.uint64(self.seed & (1 << 64) - 1), everyone + 1)
        self.period = max(PERIOD_S, math.ceil(self.count / (_FORCED_SHARE * self.rate)))
        self.chance = self._chances()
        self.spikes = Spikes(self.seed, self.count, self.spike_every)
        self.base = np.exp(math.log(8) + unit(self.keys, BASE) ** 1.5 * math.log(900 / 8))
        known = [KNOWN[name] for name in self.names if name in KNOWN]
        self.base[: len(known)] = known
        self.wildness = _CALMEST + unit(self.keys, WILDNESS) * (_WILDEST - _CALMEST)
        # Busier symbols trade more; expensive ones fewer shares. In round lots a second.
        busy = self.chance / self.chance.max() + 0.05
        self.lots_per_second = 9.0 * busy * np.sqrt(60.0 / self.base)

    @property
    def lookback(self) -> int:
        """Within this many seconds before any second, every symbol has traded (unless it was halted)."""
        return self.period + 2

    @property
    def real_rate(self) -> float:
        """Bars a second that the activity comes to: `rate`, unless the number of symbols does not allow it."""
        forced = 1.0 / self.period
        return float(np.sum(forced + (1.0 - forced) * self.chance))

    def _chances(self) -> Floats:
        """How likely each symbol trades in a second it need not: a Zipf-like law, capped, scaled to give the rate."""
        forced = 1.0 / self.period
        weight = (np.arange(self.count) + 1.0 + 0.02 * self.count) ** -0.9
        low, high = 0.0, 1e9
        for _ in range(100):
            scale = (low + high) / 2
            total = np.sum(forced + (1.0 - forced) * np.minimum(1.0, weight * scale))
            low, high = (scale, high) if total < self.rate else (low, scale)
        return np.asarray(np.minimum(1.0, weight * high))

    def active(self, who: Ints, start: int, end: int) -> np.ndarray[tuple[int, int], np.dtype[np.bool_]]:
        """Who of `who` has a bar in which second of start..end-1: an array [second, symbol]."""
        t = np.arange(start, end)[:, None]
        keys = self.keys[who][None, :]
        # The forced second of a period: a phase of the symbol's own and one second to and fro, or it would tick.
        beat = t + (hashed(keys, PHASE) % np.uint64(self.period)).astype(np.int64)
        wobble = (hashed(keys, FORCED, beat // self.period) & np.uint64(1)).astype(np.int64)
        trades = beat % self.period == wobble
        trades |= unit(keys, ACTIVITY, t) < self.chance[who][None, :]
        column = {int(w): i for i, w in enumerate(who)}
        for spike in self.spikes.between(start - 20, end + 20):
            if spike.who in column:
                first, last = max(start, spike.t - 8), min(end, spike.t + 13)
                trades[max(0, first - start) : max(0, last - start), column[spike.who]] = True
        for halt in self.halts:
            if halt.who in column:
                trades[max(0, halt.start - start) : max(0, halt.end - start), column[halt.who]] = False
        return np.asarray(trades)

    def price(self, who: Ints, t: Ints) -> Floats:
        """The price of symbol who[i] at the beginning of second t[i] (so the close of second s is price(s + 1))."""
        noise = value_noise(hashed(self.keys[who], PRICE), t)
        return np.asarray(self.base[who] * np.exp(noise * self.wildness[who]) * self.spikes.factor(who, t))

    def lots(self, who: Ints, t: Ints, day_start: Ints) -> Ints:
        """Round lots traded since New York midnight (`day_start`, a second) up to the second t, itself excluded.

        At least one a second, so that every bar has volume; it comes in bursts.
        """
        since = t - day_start
        share = cascade(hashed(self.keys[who], VOLUME, day_start), since)
        return np.asarray(since + np.floor(share * self.lots_per_second[who] * _LOT_SPAN).astype(np.int64))

    def hours(self, day_start: int, count: int) -> tuple[Floats, Floats]:
        """Money (price in the middle of the hour x lots) and lots of the day's hours, summed from midnight: arrays
        [hours done, symbol] with at least count + 1 rows. A day's VWAP is made of them."""
        money, lots = self._hours.get(day_start, (np.zeros((1, self.count)), np.zeros((1, self.count))))
        while len(money) <= count:
            begin = day_start + (len(money) - 1) * 3600
            who, midnight = np.arange(self.count), np.full(self.count, day_start)
            price = self.price(who, np.full(self.count, begin + 1800))
            traded = self.lots(who, np.full(self.count, begin + 3600), midnight)
            money = np.vstack([money, money[-1] + price * (traded - lots[-1])])
            lots = np.vstack([lots, traded])
        self._hours[day_start] = money, lots
        return money, lots

    @cached_property
    def _hours(self) -> dict[int, tuple[Floats, Floats]]:
        return {}


def days_between(start: int, end: int) -> list[TradingDay]:
    """The New York days that the seconds start..end-1 touch."""
    days = [day_of(start * 1000)]
    while days[-1].end < end * 1000:
        days.append(day_of(days[-1].end))
    return days


def now_s() -> int:
    """The running second of the clock."""
    return int(datetime.now(UTC).timestamp())
