"""Many prices at once are rounded as each is by itself, exact halves and beyond the doubles' trust included."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from market.price import notional, ticks
from market.price_arrays import notionals_of, ticks_of

#: Decimal halves of a tick, whole ticks, anything, and what is too large for the product of the doubles.
prices = st.one_of(
    st.integers(1, 10**9).map(lambda n: n / 20_000),
    st.integers(1, 10**9).map(lambda n: n / 10_000),
    st.floats(0.00005, 1e8),
    st.floats(1e7, 1e8),
)
sizes = st.integers(0, 10**6) | st.floats(0, 1e6) | st.integers(1, 1_000).map(lambda n: n / 1_000)


@given(st.lists(prices, min_size=1, max_size=20))
def test_ticks(column: list[float]) -> None:
    assert ticks_of(np.array(column)).tolist() == [ticks(price) for price in column]


@given(st.lists(st.tuples(prices, sizes), min_size=1, max_size=20))
def test_notionals(rows: list[tuple[float, float]]) -> None:
    found = notionals_of(np.array([p for p, _ in rows]), np.array([float(s) for _, s in rows]))
    assert found.tolist() == [notional(price, size) for price, size in rows]


def test_a_half_that_the_doubles_miss_is_rounded_by_its_digits() -> None:
    assert ticks_of(np.array([0.00015, 0.00025, 1.00005])).tolist() == [2, 2, 10_000]
