"""The table of holidays against the rules that make it."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from market import holidays as table

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
        assert table.covers(day)
        assert table.is_trading_day(day) == (day.weekday() < 5 and day not in holidays(year)), day
        assert table.closes_early(day) == (day in early(year)), day


def test_the_table_is_what_the_calendar_package_says() -> None:
    """Where that package is installed: it is the table's source (`pip install exchange_calendars`)."""
    package = pytest.importorskip("exchange_calendars")
    schedule = package.get_calendar("XNYS", start="2018-01-01", end="2027-12-31").schedule
    sessions = {at.date() for at in schedule.index}
    for day in (date(2018, 1, 1) + timedelta(i) for i in range(3652)):
        assert table.is_trading_day(day) == (day in sessions), day


def test_years_outside_the_table_have_weekends_only() -> None:
    assert not table.covers(date(2028, 1, 3))
    assert table.is_trading_day(date(2030, 12, 25))
    assert not table.is_trading_day(date(2030, 12, 28))
