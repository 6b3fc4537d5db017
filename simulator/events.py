"""The vendor's events (facts: one JSON object each) out of the market's columns: ``A``, ``AM``, ``T`` and ``LULD``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from market.sessions import TradingDay, day_of
from simulator.market import PHASE, Market
from simulator.noise import Floats, Ints, hashed
from simulator.prints import KINDS, LOT, Generated, Ohlcv, Prints, combine

SCALE = 10_000
#: The exchange id of trade reporting facilities, whose prints carry the facility and its time.
_FACILITY_EXCHANGE = 4
_FACILITY = 202


class Event(NamedTuple):
    """One event: the topic's two halves, and what is sent."""

    channel: str
    symbol: str
    body: dict[str, Any]


class Minutes(NamedTuple):
    """Columns of minute bars: symbol, bar, day's volume."""

    who: Ints
    bar: Ohlcv
    av: Ints


class Wire:
    """Writes the market's columns as the vendor does. Day values (`op`, `a`) are computed once a day and hour."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self._opens: dict[int, list[float]] = {}

    def seconds(self, made: Generated, rows: Ints, first: bool = False) -> list[Event]:
        """``A`` events of the rows of `made`; with `first`, of rows of `made.first`, as they read before the late
        print.

        Rows without a bar must have been left out.
        """
        at = made.late_rows[rows] if first else rows
        bars = made.first if first else made.final
        return self._bars("A", made.who[at], made.sec[at], 1, Ohlcv(*(c[rows] for c in bars)), made.av[at])

    def minutes(self, minute: int, bars: Minutes) -> list[Event]:
        """``AM`` events of the minute that begins at second `minute`."""
        return self._bars("AM", bars.who, np.full(bars.who.shape, minute), 60, bars.bar, bars.av)

    def _bars(self, channel: str, who: Ints, sec: Ints, span: int, bar: Ohlcv, av: Ints) -> list[Event]:
        if not who.size:
            return []
        columns = [(c / SCALE).tolist() for c in (bar.o, bar.h, bar.l, bar.c)]
        vwap = np.round(bar.n / bar.v / SCALE, 4).tolist()
        size = (bar.v // bar.trades).tolist()
        opened, day_vwap = self._day_values(who, sec, sec + span, av, bar.c / SCALE)
        names = self.market.names
        return [
            Event(channel, names[i], {
                "ev": channel, "sym": names[i], "v": v, "dv": f"{v}.0", "av": day, "dav": f"{day}.0", "op": op,
                "vw": vw, "o": o, "c": c, "h": h, "l": low, "a": a, "z": z, "s": s * 1000, "e": (s + span) * 1000,
            })
            for i, s, o, h, low, c, v, vw, day, z, op, a in zip(
                who.tolist(), sec.tolist(), *columns, bar.v.tolist(), vwap, av.tolist(), size, opened.tolist(),
                day_vwap.tolist(), strict=True,
            )
        ]  # fmt: skip

    def _day_values(self, who: Ints, sec: Ints, end: Ints, av: Ints, close: Floats) -> tuple[Floats, Floats]:
        """The official open (0 before 09:30 New York) and the day's VWAP, made of the full hours' middle prices and
        the bar's close, weighted by volume."""
        opened = np.zeros(sec.shape)
        vwap = np.zeros(sec.shape)
        done = np.zeros(sec.shape, bool)
        while not done.all():
            day = day_of(int(sec[~done][0]) * 1000)
            rows = np.flatnonzero((sec >= day.start // 1000) & (sec < day.end // 1000))
            done[rows] = True
            after = rows[sec[rows] >= day.regular_open // 1000]
            if after.size:
                opened[after] = np.array(self._open(day))[who[after]]
            vwap[rows] = self._vwap(day.start // 1000, who[rows], end[rows], av[rows] / LOT, close[rows])
        return opened, np.round(vwap, 4)

    def _open(self, day: TradingDay) -> list[float]:
        second = day.regular_open // 1000
        if second not in self._opens:
            everyone = np.arange(self.market.count)
            self._opens[second] = np.round(self.market.price(everyone, np.full(everyone.shape, second)), 2).tolist()
        return self._opens[second]

    def _vwap(self, day_start: int, who: Ints, t: Ints, lots: Floats, close: Floats) -> Floats:
        hour = (t - day_start) // 3600
        money, traded = self.market.hours(day_start, int(hour.max()))
        return np.asarray((money[hour, who] + close * (lots - traded[hour, who])) / np.maximum(lots, 1))

    def trades(self, made: Generated, prints: Prints) -> list[Event]:
        """``T`` events, in the order of the rows of `prints`."""
        names, who, sec = self.market.names, made.who[prints.cell].tolist(), made.sec[prints.cell].tolist()
        day_step = (prints.q - 1000).tolist()
        price = (prints.price / SCALE).tolist()
        tape = (self.market.keys % np.uint64(3) + np.uint64(1)).tolist()
        events = []
        for i, s, p, size, kind, regular, x, t, q, step in zip(
            who, sec, price, prints.size.tolist(), prints.kind.tolist(), prints.regular.tolist(),
            prints.exchange.tolist(), prints.t.tolist(), prints.q.tolist(), day_step, strict=True,
        ):  # fmt: skip
            body = {"ev": "T", "sym": names[i], "x": x, "i": str(s * 64 + step % 64), "z": tape[i], "p": p, "s": size}
            body["ds"] = f"{size}.0"
            conditions = KINDS[kind][0 if regular else 1]
            if conditions:
                body["c"] = list(conditions)
            body["t"], body["q"] = t, q
            if x == _FACILITY_EXCHANGE:
                body["trfi"], body["trft"] = _FACILITY, t - 1 - q % 12
            events.append(Event("T", names[i], body))
        return events

    def bands(self, who: int, second: int, indicator: int) -> Event:
        """A ``LULD`` event: the bands 5 % around the price; its time is in nanoseconds, as seen on the live feed."""
        price = float(self.market.price(np.array([who]), np.array([second]))[0])
        name = self.market.names[who]
        tape = int(self.market.keys[who] % np.uint64(3)) + 1
        nanoseconds = second * 10**9 + int(hashed(self.market.keys[who], PHASE, second)) % 10**9
        body = {"ev": "LULD", "T": name, "h": round(price * 1.05, 2), "l": round(price * 0.95, 2), "i": [indicator],
                "z": tape, "t": nanoseconds, "q": second}  # fmt: skip
        return Event("LULD", name, body)


def minute_bars(made: Generated, known_at: int) -> Minutes:
    """Minute bars of `made` (one minute's seconds), exactly the aggregate of its second bars as they read after second
    `known_at`: a print that comes later still is not in them."""
    bars = Ohlcv(*(column.copy() for column in made.final))
    unknown = np.flatnonzero(made.sec[made.late_rows] + made.late[made.late_rows] > known_at)
    for column, early in zip(bars, made.first, strict=True):
        column[made.late_rows[unknown]] = early[unknown]
    rows = np.flatnonzero(bars.c >= 0)
    rows = rows[np.argsort(made.who[rows], kind="stable")]
    who = made.who[rows]
    starts = np.flatnonzero(np.diff(who, prepend=-1))
    if not starts.size:
        empty = np.zeros(0, np.int64)
        return Minutes(empty, Ohlcv(*(empty for _ in Ohlcv._fields)), empty)
    ends = np.append(starts[1:], rows.size) - 1
    return Minutes(who[starts], combine(Ohlcv(*(column[rows] for column in bars)), starts), made.av[rows][ends])
