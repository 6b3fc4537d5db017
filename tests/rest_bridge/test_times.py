"""How a request names a time."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.sessions import NEW_YORK
from rest_bridge.times import MAX_INTEGER, read_from, read_to

T0 = 1_760_103_000_000  # Friday 2025-10-10 09:30 in New York

BOTH = pytest.mark.parametrize("read", [read_from, read_to])


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        str(T0),
        "2025-10-10T13:30:00Z",
        "2025-10-10T09:30:00-04:00",
        "2025-10-10T09:30-0400",
        "2025-10-10 13:30:00z",
        "2025-10-10T15:30:00+02:00",
        "2025-10-10T15:30:00 02:00",  # a plus that was not escaped
        "2025-10-10T13:30:00.000999Z",
    ],
)
def test_an_instant(read: Callable[[str], int], text: str) -> None:
    assert read(text) == T0


def test_milliseconds_count() -> None:
    assert read_from("2025-10-10T13:30:00.25Z") == T0 + 250


def test_a_date_is_a_new_york_day() -> None:
    assert read_from("2025-10-10") == T0 - 34_200_000
    assert read_to("2025-10-10") == read_from("2025-10-11") - 1
    # The clocks go back: a day of 25 hours.
    assert read_to("2025-11-02") - read_from("2025-11-02") == 25 * 3_600_000 - 1


@BOTH
@pytest.mark.parametrize(
    ("text", "seconds"),
    [("now", 0), ("-30s", 30), ("-15m", 900), ("-1h", 3_600), ("-5d", 432_000), ("-2w", 1_209_600), ("now-1h", 3_600)],
)
def test_a_span_before_now_by_the_machines_clock(read: Callable[[str], int], text: str, seconds: int) -> None:
    before = time.time_ns() // 1_000_000
    assert before <= read(text) + seconds * 1000 <= time.time_ns() // 1_000_000


@BOTH
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1760103000", "epoch seconds? In milliseconds that is 1760103000000"),
        ("1", "epoch seconds?"),
        ("99999999999", "epoch seconds?"),
        ("2025-10-10T09:30:00", "a zone is missing, as in 2025-10-10T09:30:00-04:00"),
        ("2025-10-32", "expected epoch milliseconds"),
        ("2025-10-10T25:00:00Z", "expected epoch milliseconds"),
        ("yesterday", "now, -15m, -1h or -5d"),
        ("5m", "now, -15m, -1h or -5d"),
        ("-5y", "now, -15m, -1h or -5d"),
        ("-1", "expected epoch milliseconds"),
        ("9999-12-31T23:59:59+99:99", "expected epoch milliseconds"),
        ("1969-12-30", "lies before 1970"),
        ("-999999999w", "lies before 1970"),
        ("٣", "expected epoch milliseconds"),
        (str(MAX_INTEGER + 1), "too far ahead"),
    ],
)
def test_what_is_no_time_is_refused_with_what_would_do(read: Callable[[str], int], text: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        read(text)


def test_zero_is_the_begin_of_time() -> None:
    assert read_from("0") == 0


@given(
    st.datetimes(datetime(1974, 1, 1), datetime(2100, 1, 1)),
    st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_any_instant_in_any_zone(naive: datetime, zone: timezone) -> None:
    at = naive.replace(tzinfo=zone)
    expected = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1)
    assert read_from(at.isoformat()) == read_to(at.isoformat()) == expected
    assert read_from(str(expected)) == expected


@given(st.dates(date(1974, 1, 1), date(2100, 1, 1)))
def test_days_follow_each_other_without_gap(day: date) -> None:
    start, end = read_from(day.isoformat()), read_to(day.isoformat())
    midnight = datetime.fromtimestamp(start / 1000, NEW_YORK)
    assert (midnight.date(), midnight.hour, midnight.minute) == (day, 0, 0)
    assert end + 1 == read_from((day + timedelta(days=1)).isoformat())


@given(st.text(max_size=40))
def test_any_text_is_a_time_or_an_error_with_words(text: str) -> None:
    for read in (read_from, read_to):
        try:
            assert 0 <= read(text) <= MAX_INTEGER
        except ValueError as error:
            assert str(error)  # noqa: PT017
