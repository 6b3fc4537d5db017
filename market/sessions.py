"""New York time: trading days and the regular session. All times are epoch ms UTC."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple
from zoneinfo import ZoneInfo

from market.holidays import closes_early

NEW_YORK = ZoneInfo("America/New_York")


class TradingDay(NamedTuple):
    """One New York date: midnight to midnight, and the regular session from 09:30 to 16:00, or to 13:00 on a day that closes
    early (epoch ms, ends excluded)."""

    date: date
    start: int
    regular_open: int
    regular_close: int
    end: int


def _ms(day: date, at: time) -> int:
    return int(datetime.combine(day, at, NEW_YORK).timestamp()) * 1000


@lru_cache(maxsize=512)
def trading_day(day: date) -> TradingDay:
    """The bounds of a New York date; across a change of the clocks it has 23 or 25 hours."""
    midnight = time(0)
    return TradingDay(
        day,
        _ms(day, midnight),
        _ms(day, time(9, 30)),
        _ms(day, time(13 if closes_early(day) else 16)),
        _ms(day + timedelta(days=1), midnight),
    )


def day_of(t: int) -> TradingDay:
    """The New York day that the instant `t` lies in."""
    return trading_day(datetime.fromtimestamp(t / 1000, UTC).astimezone(NEW_YORK).date())
