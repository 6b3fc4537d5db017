"""When the tape runs: the hours of a trade date in which bars can be expected, from a shipped table (calendar.json).

Until December 2026 from 04:00 to 20:00 New York time, and to 17:00 on days whose regular session ends at 13:00. Since then
a trade date begins at 21:00 on the evening before (Monday's on Sunday). The table names its sources.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from market.sessions import NEW_YORK, TradingDay, day_of, trading_day

_SATURDAY = 5
_DAY = timedelta(days=1)


class Hours(NamedTuple):
    """When the tape runs, epoch ms, the end excluded; equal where it does not run at all."""

    open: int
    close: int


class _Regime(NamedTuple):
    """The tape's hours of trade dates from `since` on; `opens` is on the evening before where that is set."""

    since: date
    opens: time
    evening_before: bool
    closes: time
    closes_early: time


class _Table(NamedTuple):
    """`closed` weekdays, `early` closes, the `years` that these two tell of, and the newest regime first."""

    closed: frozenset[date]
    early: frozenset[date]
    years: range
    regimes: tuple[_Regime, ...]


@cache
def _table() -> _Table:
    told = json.loads(files("market").joinpath("calendar.json").read_text(encoding="utf-8"))
    closed, early = (
        frozenset(date.fromisoformat(f"{year}-{day}") for year, days in told[name].items() for day in days)
        for name in ("closed", "early_close")
    )
    years = sorted(int(year) for year in told["closed"])
    regimes = (
        _Regime(
            date.fromisoformat(row["from"]),
            time.fromisoformat(row["opens"]),
            row["evening_before"],
            time.fromisoformat(row["closes"]),
            time.fromisoformat(row["closes_early"]),
        )
        for row in told["tape"]
    )
    return _Table(closed, early, range(years[0], years[-1] + 1), tuple(sorted(regimes, reverse=True)))


def covers(day: date) -> bool:
    """Whether holidays of that year are known; outside of them every weekday counts as a trading day."""
    return day.year in _table().years


def is_trading_day(day: date) -> bool:
    """Whether the exchanges open at all: no weekend, no full holiday."""
    return day.weekday() < _SATURDAY and day not in _table().closed


def closes_early(day: date) -> bool:
    """Whether the regular session of a trading day ends at 13:00."""
    return day in _table().early


def tape_hours(day: TradingDay, always_open: bool = False) -> Hours:
    """When the tape of a trade date runs; the whole date for a market that never closes (a simulated one)."""
    if always_open:
        return Hours(day.start, day.end)
    if not is_trading_day(day.date):
        return Hours(day.start, day.start)
    regime = next(one for one in _table().regimes if one.since <= day.date)
    opens_on = day.date - _DAY if regime.evening_before else day.date
    closes = regime.closes_early if closes_early(day.date) else regime.closes
    return Hours(_ms(opens_on, regime.opens), _ms(day.date, closes))


def trade_date(t: int, always_open: bool = False) -> TradingDay:
    """The trade date whose tape runs at `t` (epoch ms), or ran last that day: in the evening it may be tomorrow's."""
    today = day_of(t)
    if always_open:
        return today
    tomorrow = trading_day(today.date + _DAY)
    hours = tape_hours(tomorrow)
    return tomorrow if hours.open <= t < hours.close else today


def _ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, NEW_YORK).timestamp()) * 1000
