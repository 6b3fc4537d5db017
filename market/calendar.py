"""When the tape runs: the hours of a New York day on which bars can be expected, from a shipped table of holidays.

Sources: the exchange's published calendar (holidays.json); the tape's hours of facts published by the consolidated tape:
04:00 to 20:00 on trading days, and to 17:00 on days whose regular session ends at 13:00.
"""

from __future__ import annotations

import json
from datetime import date, datetime, time
from functools import cache
from importlib.resources import files
from typing import NamedTuple

from market.sessions import NEW_YORK, TradingDay

#: The first pre-market print and the end of the post-market, New York time; the latter on an early close.
TAPE_OPENS, TAPE_CLOSES, TAPE_CLOSES_EARLY = time(4), time(20), time(17)
_SATURDAY = 5


class Hours(NamedTuple):
    """When the tape runs, epoch ms, the end excluded; equal where it does not run at all."""

    open: int
    close: int


@cache
def _table() -> tuple[frozenset[date], frozenset[date], range]:
    """(closed weekdays, early closes, the years that the table tells of)."""
    told = json.loads(files("market").joinpath("holidays.json").read_text(encoding="utf-8"))
    closed, early = (
        frozenset(date.fromisoformat(f"{year}-{day}") for year, days in told[name].items() for day in days)
        for name in ("closed", "early_close")
    )
    years = sorted(int(year) for year in told["closed"])
    return closed, early, range(years[0], years[-1] + 1)


def covers(day: date) -> bool:
    """Whether holidays of that year are known; outside of them every weekday counts as a trading day."""
    return day.year in _table()[2]


def is_trading_day(day: date) -> bool:
    """Whether the exchanges open at all: no weekend, no full holiday."""
    return day.weekday() < _SATURDAY and day not in _table()[0]


def closes_early(day: date) -> bool:
    """Whether the regular session of a trading day ends at 13:00."""
    return day in _table()[1]


def tape_hours(day: TradingDay, always_open: bool = False) -> Hours:
    """When the tape of a New York date runs; the whole date for a market that never closes (a simulated one)."""
    if always_open:
        return Hours(day.start, day.end)
    if not is_trading_day(day.date):
        return Hours(day.start, day.start)
    closes = TAPE_CLOSES_EARLY if closes_early(day.date) else TAPE_CLOSES
    return Hours(_ms(day.date, TAPE_OPENS), _ms(day.date, closes))


def _ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, NEW_YORK).timestamp()) * 1000
