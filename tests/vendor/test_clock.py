"""A server's clock by its Date header."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendor.clock import offset_s

NOON = 1_795_953_600.0  # 2026-11-29 12:00:00 UTC
DATE = "Sun, 29 Nov 2026 12:00:00 GMT"


def test_a_clock_that_is_behind_is_positive() -> None:
    assert offset_s(DATE, NOON - 20, NOON - 19.8) == pytest.approx(20.4)
    assert offset_s(DATE, NOON + 60, NOON + 61) == pytest.approx(-60)
    assert offset_s(DATE, NOON, NOON + 1) == pytest.approx(0)


@pytest.mark.parametrize(
    "date", [None, "", "soon", "Sun, 99 Nov 2026 12:00:00 GMT", "Sun, 29 Nov 99999 12:00:00 GMT", "\x1b"]
)
def test_without_a_usable_header_nothing_is_known(date: str | None) -> None:
    assert offset_s(date, NOON, NOON) is None


@given(st.text(max_size=60))
def test_no_text_raises(date: str) -> None:
    offset_s(date, NOON, NOON)
