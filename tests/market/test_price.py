"""Prices and money in ticks agree with decimal arithmetic."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from market.price import NO_NOTIONAL, SCALE, notional, real, ticks, vwap


def in_ticks(amount: Decimal) -> int:
    return int((amount * SCALE).quantize(Decimal(1), ROUND_HALF_EVEN))


def decimals(highest: int, places: int) -> st.SearchStrategy[float]:
    """Doubles as a feed sends them: the nearest to a decimal number of up to `places` places."""
    return st.integers(0, highest * 10**places).map(lambda n: float(Decimal(n).scaleb(-places)))


# BRK.A costs more than $700,000; halves of a tick are the hard case.
prices = st.one_of(decimals(1_000_000, 6), decimals(10_000, 4), decimals(100, 5))
sizes = st.one_of(decimals(10_000_000, 0), decimals(100_000, 6))


@given(prices)
@example(0.00005)
@example(0.00015)
@example(1.00005)
@example(699_999.99995)
@example(189.4321)
def test_ticks_are_the_decimal_digits_rounded_half_to_even(price: float) -> None:
    assert ticks(price) == in_ticks(Decimal(repr(price)))
    assert ticks(-price) == -ticks(price)


@given(st.integers(0, 10**10), st.sampled_from(["49", "5", "51"]))
def test_ticks_at_the_half(whole: int, rest: str) -> None:
    text = f"{whole // SCALE}.{whole % SCALE:04d}{rest}"
    assert ticks(float(text)) == in_ticks(Decimal(text))


@given(prices, sizes)
@example(157.04, 127_300.0)
@example(156.85625, 2.0)
@example(0.0001, 0.5)
@example(0.0003, 0.5)
@example(0.00005, 3.0)
@example(700_000.00005, 30_001.0)
@example(123_456.78905, 100_003.0)
def test_notional_is_the_decimal_product_rounded_half_to_even(price: float, size: float) -> None:
    assert notional(price, size) == in_ticks(Decimal(repr(price)) * Decimal(repr(size)))


@given(st.integers(0, 10**10))
def test_a_price_survives_the_way_through_ticks(amount: int) -> None:
    assert ticks(real(amount)) == amount
    assert real(amount) == float(Decimal(amount) / SCALE)


def test_whole_numbers_are_prices_too() -> None:
    assert ticks(189) == 1_890_000
    assert notional(189, 2) == 3_780_000


@pytest.mark.parametrize("price", [float("nan"), float("inf"), float("-inf")])
def test_what_is_not_a_number_is_refused(price: float) -> None:
    with pytest.raises((ValueError, OverflowError)):
        ticks(price)


@pytest.mark.parametrize(
    ("money", "volume", "expected"),
    [
        (3_000_000, 2.0, 150.0),
        (1_000_000, 3.0, 33.333333),
        (0, 10.0, 0.0),
        (1_500_000, 0.5, 300.0),
        (0, 0.0, None),
        (1_000_000, 0.0, None),
        (1_000_000, None, None),
        (None, 5.0, None),
        (NO_NOTIONAL, 5.0, None),
        (None, None, None),
    ],
)
def test_vwap(money: int | None, volume: float | None, expected: float | None) -> None:
    assert vwap(money, volume) == expected


@given(
    st.integers(0, 2**53), st.floats(1e-6, 1e15) | st.sampled_from([2**k for k in range(12)]) | st.integers(1, 10**6)
)
@example(2013184480, 1280)  # 157.2800375 as a decimal, a hair less as a double
@example(2**53, 5e-324)
def test_a_vwap_has_the_six_places_of_its_double(money: int, volume: float) -> None:
    assert vwap(money, volume) == round(money / volume / SCALE, 6)


@given(st.lists(st.integers(0, 2**53 // 600), max_size=600), st.floats(1, 1e9))
def test_one_part_without_vwap_outweighs_any_sum_of_a_double(parts: list[int], volume: float) -> None:
    assert vwap(sum([float(NO_NOTIONAL), *map(float, parts)]), volume) is None


@pytest.mark.parametrize(
    ("money", "volume", "low", "high", "expected"),
    [
        (3, 0.0001, 32_155, 32_155, 3.2155),  # 3.2155 ticks, rounded to 3
        (4_911, 0.001, 4_910_537, 4_910_537, 491.0537),
        (0, 0.00001, 5_000, 5_000, 0.5),
        (1_001_000, 10.5, 100_000, 100_000, 9.533333),  # 49,000 ticks below the low: odd lots, which set no price
        (1_039_000, 10, 1_030_000, 1_030_000, 10.39),
    ],
)  # fmt: skip
def test_a_fraction_of_a_share_has_a_vwap_within_its_prices(
    money: int, volume: float, low: int, high: int, expected: float
) -> None:
    assert vwap(money, volume, low, high) == expected
