"""Velocity of a series against its plain definition."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.velocity_series import velocity_series

WINDOW, AGE = 5_000, 30_000


def plain(t: list[int], c: list[float], base: list[float]) -> list[float | None]:
    out: list[float | None] = []
    for i, now in enumerate(t):
        before = [k for k in range(len(t)) if t[k] <= now - WINDOW]
        if not before or now - WINDOW - t[before[-1]] > AGE:
            out.append(None)
            continue
        reference = c[before[-1]]
        out.append(100 * (c[i] - reference) / (reference if np.isnan(base[i]) else base[i]))
    return out


@given(
    st.lists(st.tuples(st.integers(1, 50), st.integers(1, 10_000)), min_size=1, max_size=60),
    st.lists(st.sampled_from([float("nan"), 5000.0]), min_size=60, max_size=60),
)
def test_it_is_the_definition(steps: list[tuple[int, int]], bases: list[float]) -> None:
    t = np.cumsum([step for step, _ in steps]) * 1000
    closes = np.array([float(close) for _, close in steps])
    got = velocity_series(t, closes, WINDOW, AGE, np.array(bases[: len(t)]))
    for value, expected in zip(got, plain(t.tolist(), closes.tolist(), bases), strict=False):
        if expected is None:
            assert np.isnan(value)
        else:
            assert value == pytest.approx(expected)


def test_the_age_of_the_reference_is_counted_beyond_the_window() -> None:
    closes = np.array([100.0, 101.0])
    for gap, known in ((4_999, False), (5_000, True), (35_000, True), (35_001, False)):
        got = velocity_series(np.array([0, gap]), closes, WINDOW, AGE)
        assert np.isnan(got[1]) != known, gap


def test_a_base_of_zero_gives_nothing() -> None:
    got = velocity_series(np.array([0, 5000]), np.array([0.0, 1.0]), WINDOW, AGE)
    assert np.isnan(got).all()


def test_an_empty_series() -> None:
    assert velocity_series(np.empty(0, np.int64), np.empty(0), WINDOW, AGE).size == 0
