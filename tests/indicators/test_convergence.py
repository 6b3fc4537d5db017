"""A value does not depend on where the series began, once as many candles came before as its reach."""

from __future__ import annotations

import numpy as np
import pytest

from indicators.convergence import OLDEST, WEIGHT, dema_reach, ema_reach, wilder_reach
from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import example, parse_names
from tests.indicators import recorded
from tests.indicators.test_against_formulas import MORE

REACHING = [text for text in [*map(example, INDICATORS), *MORE] if parse_names(text)[0].reach < OLDEST]


@pytest.mark.parametrize("text", [*REACHING, "ema:400", "dema:150", "rsi:100", "macd:50:100:20"])
def test_what_came_before_the_reach_does_not_matter(text: str) -> None:
    (one,) = parse_names(text)
    rows = one.reach + 40
    bars = recorded.invented(2 * rows, seed=3)
    # Earlier prices are of another height altogether, so that what is left of them would show.
    for name in ("open", "high", "low", "close"):
        bars[name][:rows] *= 1.5
    later = {name: column[rows:] for name, column in bars.items()}
    whole, part, enough = one.compute(bars), one.compute(later), one.converged(later)
    assert enough[one.reach :].all() or one.indicator.converged
    for column, output in one.outputs.items():
        atol = 1e-9 * 1e6 if output.unit == PRICE else 1e-6
        np.testing.assert_allclose(part[column][enough], whole[column][rows:][enough], rtol=1e-9, atol=atol)


@pytest.mark.parametrize("n", [2, 9, 50, 200, 1000])
def test_the_reach_is_the_least_with_that_weight(n: int) -> None:
    ema = 1 - 2 / (n + 1)
    steps = ema_reach(n) - (n - 1)
    assert ema**steps < WEIGHT <= ema ** (steps - 1)
    steps = wilder_reach(n) - n
    assert (1 - 1 / n) ** steps < WEIGHT <= (1 - 1 / n) ** (steps - 1)
    assert ema_reach(n) < dema_reach(n) < 3 * ema_reach(n) + 10


def test_an_average_of_one_candle_reaches_nowhere() -> None:
    assert ema_reach(1) == dema_reach(1) == 0


def test_supertrend_converges_where_a_later_start_gives_the_same() -> None:
    (one,) = parse_names("supertrend:10:3")
    bars = recorded.invented(4_000, seed=8)
    enough = one.converged(bars)
    assert 0 < int(np.argmax(enough)) < 1_500
    assert enough[1_500:].all()
    assert not enough[: wilder_reach(10)].any()


def test_the_level_of_obv_never_converges() -> None:
    (one,) = parse_names("obv")
    assert one.reach == OLDEST
    assert not one.converged(recorded.invented(3_000)).any()
