"""New York days and the regular session, across the changes of the clocks."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.holidays import closes_early
from market.sessions import NEW_YORK, day_of, trading_day

HOUR = 3_600_000


def utc(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()) * 1000


@pytest.mark.parametrize(
    ("day", "start", "regular_open", "regular_close", "hours"),
    [
        ("2018-01-02", "2018-01-02T05:00", "2018-01-02T14:30", "2018-01-02T21:00", 24),
        ("2026-07-01", "2026-07-01T04:00", "2026-07-01T13:30", "2026-07-01T20:00", 24),
        # The clocks go forward at two in the morning, and back.
        ("2026-03-08", "2026-03-08T05:00", "2026-03-08T13:30", "2026-03-08T20:00", 23),
        ("2026-11-01", "2026-11-01T04:00", "2026-11-01T14:30", "2026-11-01T21:00", 25),
        # The trading days before and after those Sundays.
        ("2026-03-06", "2026-03-06T05:00", "2026-03-06T14:30", "2026-03-06T21:00", 24),
        ("2026-03-09", "2026-03-09T04:00", "2026-03-09T13:30", "2026-03-09T20:00", 24),
        ("2026-11-02", "2026-11-02T05:00", "2026-11-02T14:30", "2026-11-02T21:00", 24),
        # The regular session ends at 13:00: after Thanksgiving, Christmas Eve, the eve of Independence Day.
        ("2025-11-28", "2025-11-28T05:00", "2025-11-28T14:30", "2025-11-28T18:00", 24),
        ("2026-12-24", "2026-12-24T05:00", "2026-12-24T14:30", "2026-12-24T18:00", 24),
        ("2025-07-03", "2025-07-03T04:00", "2025-07-03T13:30", "2025-07-03T17:00", 24),
        # Until 2006 the clocks changed on other Sundays.
        ("2006-04-02", "2006-04-02T05:00", "2006-04-02T13:30", "2006-04-02T20:00", 23),
    ],
)
def test_the_bounds_of_a_day(day: str, start: str, regular_open: str, regular_close: str, hours: int) -> None:
    found = trading_day(date.fromisoformat(day))
    assert found.date == date.fromisoformat(day)
    assert (found.start, found.regular_open, found.regular_close) == (utc(start), utc(regular_open), utc(regular_close))
    assert found.end - found.start == hours * HOUR


@pytest.mark.parametrize(
    ("instant", "day"),
    [
        ("2018-01-04T00:55:37", "2018-01-03"),  # the evening session belongs to its New York date
        ("2018-01-03T04:59:59", "2018-01-02"),
        ("2018-01-03T05:00:00", "2018-01-03"),
        ("2026-11-01T05:30:00", "2026-11-01"),  # 01:30, the first of two
        ("2026-11-01T06:30:00", "2026-11-01"),
        ("2026-11-02T04:59:59", "2026-11-01"),
        ("1970-01-01T00:00:00", "1969-12-31"),
    ],
)
def test_an_instant_lies_in_a_new_york_day(instant: str, day: str) -> None:
    assert day_of(utc(instant)).date == date.fromisoformat(day)


@given(st.integers(utc("2000-01-01T00:00"), utc("2037-12-31T00:00")))
def test_the_days_tile_time(t: int) -> None:
    day = day_of(t)
    assert day.start <= t < day.end
    assert day.start < day.regular_open < day.regular_close < day.end
    assert day_of(day.start) == day_of(day.end - 1) == day
    assert day_of(day.end).date == day.date + timedelta(days=1)
    assert day_of(day.end).start == day.end


@given(st.dates(date(2000, 1, 1), date(2037, 12, 31)))
def test_the_session_is_half_past_nine_to_four_or_one_on_the_wall_clock(when: date) -> None:
    day = trading_day(when)
    opening, closing = (datetime.fromtimestamp(t / 1000, NEW_YORK) for t in (day.regular_open, day.regular_close))
    assert (opening.date(), opening.hour, opening.minute) == (when, 9, 30)
    hours = 3.5 if closes_early(when) else 6.5
    assert (closing.date(), closing.hour, closing.minute) == (when, 13 if hours == 3.5 else 16, 0)
    assert day.regular_close - day.regular_open == hours * HOUR
