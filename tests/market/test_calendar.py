"""The tape's hours against the wall clock."""

from __future__ import annotations

from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from market import calendar
from market.sessions import trading_day


@pytest.mark.parametrize(
    ("day", "opens", "closes"),
    [
        ("2025-10-10", "2025-10-10T04:00", "2025-10-10T20:00"),
        ("2025-11-28", "2025-11-28T04:00", "2025-11-28T17:00"),
        ("2025-11-03", "2025-11-03T04:00", "2025-11-03T20:00"),  # the clocks went back the day before
        ("2025-03-10", "2025-03-10T04:00", "2025-03-10T20:00"),
        ("2026-12-04", "2026-12-04T04:00", "2026-12-04T20:00"),  # the last Friday of the old hours
        ("2026-12-07", "2026-12-06T21:00", "2026-12-07T20:00"),
        ("2026-12-24", "2026-12-23T21:00", "2026-12-24T17:00"),
        ("2027-03-15", "2027-03-14T21:00", "2027-03-15T20:00"),  # the clocks went forward that Sunday
    ],
)
def test_hours_of_trading_days(day: str, opens: str, closes: str) -> None:
    hours = calendar.tape_hours(trading_day(date.fromisoformat(day)))
    new_york = ZoneInfo("America/New_York")
    assert hours == tuple(
        int(datetime.fromisoformat(t).replace(tzinfo=new_york).timestamp()) * 1000 for t in (opens, closes)
    )


@pytest.mark.parametrize(
    ("at", "date_of_trade"),
    [
        ("2025-10-10T03:00", "2025-10-10"),
        ("2025-10-10T21:30", "2025-10-10"),
        ("2025-10-12T21:30", "2025-10-12"),
        ("2026-12-04T21:30", "2026-12-04"),  # a Friday evening
        ("2026-12-06T20:59", "2026-12-06"),
        ("2026-12-06T21:00", "2026-12-07"),  # the first Sunday evening
        ("2026-12-07T00:30", "2026-12-07"),
        ("2026-12-07T20:30", "2026-12-07"),
        ("2026-12-07T21:00", "2026-12-08"),
        ("2026-12-24T21:30", "2026-12-24"),  # Christmas is no trade date
    ],
)
def test_whose_tape_runs(at: str, date_of_trade: str) -> None:
    t = int(datetime.fromisoformat(at).replace(tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000
    assert calendar.trade_date(t).date == date.fromisoformat(date_of_trade)
    assert calendar.trade_date(t, always_open=True).date == date.fromisoformat(at[:10])


@pytest.mark.parametrize("day", ["2025-10-11", "2025-10-12", "2025-11-27", "2025-01-09"])
def test_no_hours_on_closed_days_unless_the_market_never_closes(day: str) -> None:
    dated = trading_day(date.fromisoformat(day))
    hours = calendar.tape_hours(dated)
    assert hours.open == hours.close
    assert calendar.tape_hours(dated, always_open=True) == (dated.start, dated.end)
