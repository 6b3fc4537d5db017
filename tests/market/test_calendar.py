"""The table of holidays against the rules that make it, and the tape's hours against the wall clock."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from market import calendar
from market.sessions import trading_day

YEARS = range(2018, 2028)
#: Closed once: the funerals of two presidents.
MOURNING = {date(2018, 12, 5), date(2025, 1, 9)}


def nth(year: int, month: int, weekday: int, which: int) -> date:
    """The `which`-th weekday of a month; -1 is the last."""
    days = [
        d for i in range(31) if (d := date(year, month, 1) + timedelta(i)).month == month and d.weekday() == weekday
    ]
    return days[which if which < 0 else which - 1]


def easter(year: int) -> date:
    """Gauss's computation for the Gregorian calendar."""
    a, b, c = year % 19, year % 4, year % 7
    k = year // 100
    m = (15 - (13 + 8 * k) // 25 + k - k // 4) % 30
    n = (4 + k - k // 4) % 7
    d = (19 * a + m) % 30
    e = (2 * b + 4 * c + 6 * d + n) % 7
    if (d, e) == (29, 6) or ((d, e) == (28, 6) and (11 * m + 11) % 30 < 19):
        return date(year, 3, 22) + timedelta(d + e - 7)
    return date(year, 3, 22) + timedelta(d + e)


def observed(day: date) -> date | None:
    """A Sunday's holiday is kept on Monday, a Saturday's on Friday, New Year's on no Friday of the year before."""
    if day.weekday() == 6:
        return day + timedelta(1)
    if day.weekday() == 5:
        return None if (day.month, day.day) == (1, 1) else day - timedelta(1)
    return day


def holidays(year: int) -> set[date]:
    days = {
        observed(date(year, 1, 1)), nth(year, 1, 0, 3), nth(year, 2, 0, 3), easter(year) - timedelta(2),
        nth(year, 5, 0, -1), observed(date(year, 7, 4)), nth(year, 9, 0, 1), nth(year, 11, 3, 4),
        observed(date(year, 12, 25)),
    }  # fmt: skip
    if year >= 2022:
        days.add(observed(date(year, 6, 19)))
    return {d for d in days if d} | {d for d in MOURNING if d.year == year}


def early(year: int) -> set[date]:
    """The eve of Independence Day, the day after Thanksgiving, Christmas Eve: where they are trading days Monday to Thursday
    (Friday after Thanksgiving)."""
    eves = {date(year, 7, 3), date(year, 12, 24)}
    return {d for d in eves if d.weekday() < 4 and d not in holidays(year)} | {nth(year, 11, 3, 4) + timedelta(1)}


@pytest.mark.parametrize("year", YEARS)
def test_each_day_of_the_year_by_the_rules(year: int) -> None:
    for day in (date(year, 1, 1) + timedelta(i) for i in range(365)):
        assert calendar.covers(day)
        assert calendar.is_trading_day(day) == (day.weekday() < 5 and day not in holidays(year)), day
        assert calendar.closes_early(day) == (day in early(year)), day


def test_the_table_is_what_the_calendar_package_says() -> None:
    """Where that package is installed: it is the table's source (`pip install exchange_calendars`)."""
    package = pytest.importorskip("exchange_calendars")
    told = package.get_calendar("XNYS", start="2018-01-01", end="2027-12-31").schedule
    sessions = {at.date() for at in told.index}
    for day in (date(2018, 1, 1) + timedelta(i) for i in range(3652)):
        assert calendar.is_trading_day(day) == (day in sessions), day


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


def test_years_outside_the_table_have_weekends_only() -> None:
    assert not calendar.covers(date(2028, 1, 3))
    assert calendar.is_trading_day(date(2030, 12, 25))
    assert not calendar.is_trading_day(date(2030, 12, 28))
