"""Moving averages against their plain definitions."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.moving import ema, ema_lookback, sma, sma_lookback

TICKS = st.lists(st.integers(1, 10_000_000), min_size=1, max_size=80)


@given(TICKS, st.integers(1, 30))
def test_sma_is_the_mean_of_the_last_n(values: list[int], n: int) -> None:
    got = sma(np.array(values, float), n)
    for i, value in enumerate(got):
        if i < n - 1:
            assert np.isnan(value)
        else:
            assert value == sum(values[i - n + 1 : i + 1]) / n


@given(TICKS, st.integers(1, 30))
def test_ema_is_seeded_with_the_mean_of_the_first_n(values: list[int], n: int) -> None:
    got = ema(np.array(values, float), n)
    assert np.isnan(got[: n - 1]).all()
    if len(values) >= n:
        expected = sum(values[:n]) / n
        assert got[n - 1] == pytest.approx(expected)
        for i in range(n, len(values)):
            expected = values[i] * 2 / (n + 1) + expected * (1 - 2 / (n + 1))
            assert got[i] == pytest.approx(expected)


def test_ema_of_known_values() -> None:
    # By hand, weight 0.5: the seed is 2, then 2 + (4 - 2) / 2, then 3 + (8 - 3) / 2.
    assert ema(np.array([1.0, 2.0, 3.0, 4.0, 8.0]), 3).tolist()[2:] == [2.0, 3.0, 5.5]


@pytest.mark.parametrize("n", [1, 2, 20, 200])
def test_after_the_lookback_an_ema_has_forgotten_where_it_began(n: int) -> None:
    draw = np.random.default_rng(n)
    values = np.cumsum(draw.normal(0, 100, 6 * ema_lookback(n) + 10)) + 1e6
    long, short = ema(values, n), ema(values[-ema_lookback(n) - 1 :], n)
    assert short[-1] == pytest.approx(long[-1], rel=1e-9)


def test_a_window_longer_than_the_series_gives_nothing() -> None:
    assert np.isnan(sma(np.ones(3), 4)).all()
    assert np.isnan(ema(np.ones(3), 4)).all()
    assert sma(np.empty(0), 1).size == 0
    assert sma_lookback(20) == 19
