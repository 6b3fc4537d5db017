"""One set of limits for the feed, REST, files and stored values."""

from __future__ import annotations

import math

import pytest

from market.limits import bar_fault, is_price, is_stored_price, is_time, is_volume

T = 1_760_103_000_000


@pytest.mark.parametrize("price", [0.0001, 25.39, 700_000, 99_999_999.9999])
def test_prices(price: float) -> None:
    assert is_price(price)
    assert is_stored_price(round(price * 10_000))


@pytest.mark.parametrize("price", [0, -1, 0.00004, 1e8, math.inf, -math.inf, math.nan, 10**400])
def test_no_prices(price: float) -> None:
    assert not is_price(price)


@pytest.mark.parametrize("ticks", [0, -1, 0.5, 1e12, math.inf, math.nan])
def test_no_stored_prices(ticks: float) -> None:
    assert not is_stored_price(ticks)


def test_volumes_and_times() -> None:
    assert [is_volume(v) for v in (0, 0.016, 1e14, 1e15, -1, math.nan, math.inf)] == [True] * 3 + [False] * 4
    assert [is_time(t) for t in (1, T, 0, -1, 10**14, math.nan, math.inf)] == [True] * 2 + [False] * 5


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, None),
        ({"t": 0}, "bad_time"),
        ({"t": math.nan}, "bad_time"),
        ({"h": 9.5}, "bad_price"),
        ({"low": 10.5}, "bad_price"),
        ({"c": math.nan}, "bad_price"),
        ({"low": 0}, "bad_price"),
        ({"h": 1e8}, "bad_price"),
        ({"volume": -1}, "bad_volume"),
        ({"volume": math.inf}, "bad_volume"),
    ],
)
def test_why_numbers_are_no_bar(change: dict[str, float], fault: str | None) -> None:
    assert bar_fault(**({"t": T, "o": 10.0, "h": 11.0, "low": 9.9, "c": 10.1, "volume": 5} | change)) == fault
