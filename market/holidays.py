"""The shipped table of the market's days (calendar.json): full holidays, early closes, and the hours of the tape by date."""

from __future__ import annotations

import json
from datetime import date, time
from functools import cache
from importlib.resources import files
from typing import NamedTuple

_SATURDAY = 5


class Regime(NamedTuple):
    """The tape's hours of trade dates from `since` on; `opens` is on the evening before where that is set."""

    since: date
    opens: time
    evening_before: bool
    closes: time
    closes_early: time


class _Table(NamedTuple):
    """`closed` weekdays, `early` closes, the `years` that these two cover, and the newest regime first."""

    closed: frozenset[date]
    early: frozenset[date]
    years: range
    regimes: tuple[Regime, ...]


@cache
def _table() -> _Table:
    rows = json.loads(files("market").joinpath("calendar.json").read_text(encoding="utf-8"))
    closed, early = (
        frozenset(date.fromisoformat(f"{year}-{day}") for year, days in rows[name].items() for day in days)
        for name in ("closed", "early_close")
    )
    years = sorted(int(year) for year in rows["closed"])
    regimes = (
        Regime(
            date.fromisoformat(row["from"]),
            time.fromisoformat(row["opens"]),
            row["evening_before"],
            time.fromisoformat(row["closes"]),
            time.fromisoformat(row["closes_early"]),
        )
        for row in rows["tape"]
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


def regime_of(day: date) -> Regime:
    """The hours of the tape that hold on a trade date."""
    return next(regime for regime in _table().regimes if regime.since <= day)
