"""Bars of the past as the vendor's REST answers them, computed from the same market that the WebSocket sends.

Second, minute and hour bars are exactly what the ``A`` bars of that time come to once late prints have arrived.
A day's open and close are those of its first and last bar, and its volume is the exact sum; its high and low are the
extremes of the price looked at once a minute (less often where many symbols are asked for), at open, close and the tops of
spikes; its VWAP is made of hourly prices weighted by volume.
"""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np

from market.sessions import TradingDay, trading_day
from simulator.events import SCALE
from simulator.market import Market, now_s
from simulator.noise import Floats, Ints
from simulator.prints import LOT, Ohlcv, combine, generate

#: The market answers for this long.
KEPT_S = 35 * 86_400
SPAN_S = {"second": 1, "minute": 60, "hour": 3600}
#: How many seconds are walked in one go.
_WALK_S = 21_600  # a whole number of every span
_SAMPLES = 200_000


class History:
    """Bars of one market up to now."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._days: dict[date, list[dict[str, Any]]] = {}

    def bars(
        self, symbol: str, base: int, start_ms: int, end_ms: int, limit: int, newest_first: bool
    ) -> tuple[list[dict[str, Any]], bool]:
        """Bars of `base` seconds that start in start_ms..end_ms, in the order asked for, at most `limit`; and whether
        there are more."""
        now = now_s()
        begin = max(-(-start_ms // 1000), now - KEPT_S)
        begin += -begin % base
        end = min(end_ms // 1000 // base * base + base, now)
        windows = [(at, min(at + _WALK_S, end)) for at in range(begin, end, _WALK_S)]
        rows: list[dict[str, Any]] = []
        for start, stop in reversed(windows) if newest_first else windows:
            part = self._walk(symbol, base, start, stop)
            rows += reversed(part) if newest_first else part
            if len(rows) > limit:
                return rows[:limit], True
        return rows, False

    def _walk(self, symbol: str, base: int, start: int, end: int) -> list[dict[str, Any]]:
        made = generate(self.market, np.array([self.market.index[symbol]]), start, end)
        kept = np.flatnonzero(made.final.c >= 0)
        if not kept.size:
            return []
        sec = made.sec[kept]
        starts = np.flatnonzero(np.diff(sec // base, prepend=-1))
        bars = combine(Ohlcv(*(column[kept] for column in made.final)), starts)
        return _rows(bars, sec[starts] // base * base * 1000)

    def grouped(self, day: date) -> list[dict[str, Any]]:
        """The day's bar of every symbol, ``T`` and the end of its regular session included; nothing for days not kept."""
        if day not in self._days:
            rows = self._daily(np.arange(self.market.count), trading_day(day))
            named = [{"T": self.market.names[who], **row} for who, row in rows]
            if trading_day(day).end > now_s() * 1000:
                return named
            self._days[day] = named
        return self._days[day]

    def day(self, symbol: str, day: date) -> dict[str, Any] | None:
        """One symbol's bar of a New York day, with the end of its regular session; None for a day that is not kept."""
        rows = self._daily(np.array([self.market.index[symbol]]), trading_day(day))
        return rows[0][1] if rows else None

    def _daily(self, who: Ints, day: TradingDay) -> list[tuple[int, dict[str, Any]]]:
        start, end = day.start // 1000, min(day.end // 1000, now_s())
        if end - start < 1 or start < now_s() - KEPT_S:
            return []
        lookback = self.market.lookback
        first = generate(self.market, who, start, min(start + lookback, end))
        last = generate(self.market, who, max(start, end - lookback), end)
        opened = _bar_rows(first.who, first.final.c, newest=False)
        closed = _bar_rows(last.who, last.final.c, newest=True)
        high, low = self._extremes(who, start, end)
        answer = []
        for column, i in enumerate(who.tolist()):
            if i not in opened or i not in closed:
                continue
            at, to = opened[i], closed[i]
            o, c = int(first.final.o[at]), int(last.final.c[to])
            highs = (o, c, int(first.final.h[at]), int(last.final.h[to]), int(high[column]))
            lows = (o, c, int(first.final.l[at]), int(last.final.l[to]), int(low[column]))
            lots = int(last.av[to]) // LOT
            hours = (end - start) // 3600
            money, traded = (part[hours, i] for part in self.market.hours(start, hours))
            vwap = (money + c / SCALE * (lots - traded)) / lots
            row = {
                "v": lots * LOT, "vw": round(min(max(vwap, min(lows) / SCALE), max(highs) / SCALE), 4), "o": o / SCALE,
                "c": c / SCALE, "h": max(highs) / SCALE, "l": min(lows) / SCALE, "t": day.regular_close,
            }  # fmt: skip
            answer.append((i, row))
        return answer

    def _extremes(self, who: Ints, start: int, end: int) -> tuple[Ints, Ints]:
        """Highest and lowest price of each of `who`, in 1/10000 and whole cents."""
        step = max(60, math.ceil((end - start) * who.size / _SAMPLES))
        times = np.arange(start, end, step)
        prices = self._prices(np.repeat(who, times.size), np.tile(times, who.size)).reshape(who.size, times.size)
        high, low = prices.max(axis=1), prices.min(axis=1)
        column = {int(w): i for i, w in enumerate(who)}
        spikes = [s for s in self.market.spikes.between(start, end - 3) if s.who in column]
        if spikes:
            at = np.array([column[s.who] for s in spikes])
            tops = self._prices(who[at], np.array([s.t + 2 for s in spikes]))
            np.maximum.at(high, at, tops)
            np.minimum.at(low, at, tops)
        return high, low

    def _prices(self, who: Ints, t: Ints) -> Ints:
        cents: Floats = np.rint(self.market.price(who, t) * 100)
        return cents.astype(np.int64) * (SCALE // 100)


def _bar_rows(who: Ints, close: Ints, newest: bool) -> dict[int, int]:
    """The row of the first (or newest) bar of each symbol."""
    rows = np.flatnonzero(close >= 0)
    return {int(who[row]): int(row) for row in (rows if newest else rows[::-1])}


def _rows(bars: Ohlcv, t: Ints) -> list[dict[str, Any]]:
    real = [(column / SCALE).tolist() for column in (bars.o, bars.h, bars.l, bars.c)]
    vwap = np.round(bars.n / bars.v / SCALE, 4).tolist()
    return [
        {"v": v, "vw": vw, "o": o, "c": c, "h": h, "l": low, "t": start, "n": n}
        for o, h, low, c, v, vw, start, n in zip(
            *real, bars.v.tolist(), vwap, t.tolist(), bars.trades.tolist(), strict=True
        )
    ]
