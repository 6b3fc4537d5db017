"""When the tape runs: the hours of a trade date in which bars can be expected (see market.holidays).

Until December 2026 from 04:00 to 20:00 New York time, and to 17:00 on days whose regular session ends at 13:00. Since then
a trade date begins at 21:00 on the evening before (Monday's on Sunday). calendar.json names the sources.
"""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import NamedTuple

from market.holidays import closes_early, is_trading_day, regime_of
from market.sessions import NEW_YORK, TradingDay, day_of, trading_day

_DAY = timedelta(days=1)


class Hours(NamedTuple):
    """When the tape runs, epoch ms, the end excluded; equal where it does not run at all."""

    open: int
    close: int


def tape_hours(day: TradingDay, always_open: bool = False) -> Hours:
    """When the tape of a trade date runs; the whole date for a market that never closes (a simulated one)."""
    if always_open:
        return Hours(day.start, day.end)
    if not is_trading_day(day.date):
        return Hours(day.start, day.start)
    regime = regime_of(day.date)
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
