"""Cells: what can be read in two ways is an error."""

from __future__ import annotations

import contextlib
import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.sessions import NEW_YORK
from simulator.csv_values import NoTimeOfDay, NoZone, joined_stamp, number, price, size, time_ms, whole

T = 1_732_545_000_000  # 2024-11-25 14:30 UTC, 09:30 New York


@given(st.text(max_size=12) | st.from_regex(r"[-+]?[0-9.,_eE]{1,12}"))
def test_a_number_is_finite_and_what_its_digits_say_or_an_error(text: str) -> None:
    try:
        value = number(text)
    except ValueError:
        return
    assert math.isfinite(value)
    assert float(text.replace(",", "")) == value
    assert text.isascii()
    assert "_" not in text


@given(st.integers(0, 10**12), st.integers(0, 99))
def test_thousands_separators_are_read_where_they_can_be_nothing_else(units: int, cents: int) -> None:
    assert number(f"{units:,}.{cents:02}") == pytest.approx(units + cents / 100)
    assert size(f"{units:,}") == units
    if units >= 1_000_000 or units < 1000:
        assert number(f"{units:,}") == units


@pytest.mark.parametrize(
    "text", ["", "nan", "inf", "-1", "0", "1,5", "x", "1,234", "12,34.5", "1_000", "٣", "0x10", "1e999"]
)
def test_a_price_is_above_zero_and_of_one_reading(text: str) -> None:
    with pytest.raises(ValueError, match="price"):
        price(text)


@pytest.mark.parametrize("text", ["", "nan", "-1", "1e30", "1,23", "1,234,5"])
def test_a_size_is_a_number_from_zero_on(text: str) -> None:
    with pytest.raises(ValueError, match="size"):
        size(text)


@pytest.mark.parametrize("text", ["", "1.0", "1_0", "9" * 5000, str(2**63), "٣"])
def test_a_whole_number_has_at_most_64_bits(text: str) -> None:
    with pytest.raises(ValueError, match="64 bits"):
        whole(text)


@pytest.mark.parametrize(
    "text",
    [
        "2024-11-25 14:30:00+00:00", "2024-11-25 09:30:00-05:00", "2024-11-25T14:30:00Z", "2024-11-25 14:30 UTC",
        "2024-11-25 14:30:00.000000000+0000", "20241125T143000Z", "2024/11/25 14:30Z", "2024-11-25 09:30:00-05", "1732545000",
        "1732545000000", "1732545000000000", "1732545000000000000", "1732545000.000",
    ],
)  # fmt: skip
def test_a_time_with_an_offset_and_an_epoch_time_of_any_unit_need_no_zone(text: str) -> None:
    assert time_ms(text, None) == time_ms(text, ZoneInfo("Asia/Tokyo")) == T


def test_a_local_time_needs_a_zone() -> None:
    assert time_ms("2024-11-25 09:30:00.001", NEW_YORK) == T + 1
    assert time_ms("1732545000.25", None) == T + 250
    with pytest.raises(NoZone):
        time_ms("2024-11-25 09:30:00", None)
    with pytest.raises(NoTimeOfDay):
        time_ms("2024-11-25", NEW_YORK)


@pytest.mark.parametrize("text", ["2024-11-03 01:30:00", "2024-03-10 02:30:00"])
def test_a_local_time_that_comes_twice_or_never_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match="twice or never"):
        time_ms(text, NEW_YORK)
    assert time_ms(f"{text}-05:00", NEW_YORK) == time_ms(text, UTC) + 5 * 3_600_000


@pytest.mark.parametrize(
    "text",
    ["", "yesterday", "01/03/2023 09:30", "2024-02-30 09:30", "2024-11-25 25:00", "202411251430", "20241125143000", "1e12", "-1",
     "0001-01-01 00:00:01Z", "9" * 5000, "2024-11-25 09:30:00 PST"],
)  # fmt: skip
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"time|range|month|hour"):
        time_ms(text, UTC)


@given(st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1)), st.sampled_from(["s", "ms", "us", "ns"]))
def test_an_epoch_number_is_read_in_its_own_unit(at: datetime, unit: str) -> None:
    seconds = int(at.replace(tzinfo=UTC, microsecond=0).timestamp())
    assert time_ms(str(seconds * {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]), None) == seconds * 1000


@given(st.text(max_size=30))
def test_any_text_is_a_time_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert time_ms(text, UTC) > 0


def test_a_date_and_a_time_of_day_become_one_stamp() -> None:
    assert joined_stamp("2024-11-25", "09:30", "ymd") == "2024-11-25 09:30"
    assert joined_stamp("11/25/2024", "9:30", "mdy") == joined_stamp("25/11/2024", "09:30", "dmy") == "2024-11-25 09:30"
    assert joined_stamp("20241125", "93000", "ymd") == "20241125 09:30:00"
    with pytest.raises(ValueError, match="MM/DD/YYYY"):
        joined_stamp("2024-11-25", "09:30", "mdy")
