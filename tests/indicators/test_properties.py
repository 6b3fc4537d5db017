"""What must not change a value: another unit of money, older candles, and, for what is symmetrical, up for down."""

from __future__ import annotations

import numpy as np
import pytest

from indicators import patterns
from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import example, parse_names
from tests.indicators import recorded

_PRICES = ("open", "high", "low", "close")
CANDLES = [name for name in patterns.TITLES if name.startswith("CDL")]
#: Patterns of which the mirrored one is the same with the other sign, ...
ODD = [
    "CDL3INSIDE",
    "CDL3LINESTRIKE",
    "CDL3OUTSIDE",
    "CDLABANDONEDBABY",
    "CDLBELTHOLD",
    "CDLBREAKAWAY",
    "CDLCLOSINGMARUBOZU",
    "CDLCOUNTERATTACK",
    "CDLDOJISTAR",
    "CDLENGULFING",
    "CDLHARAMI",
    "CDLHARAMICROSS",
    "CDLHIGHWAVE",
    "CDLHIKKAKE",
    "CDLHIKKAKEMOD",
    "CDLKICKING",
    "CDLKICKINGBYLENGTH",
    "CDLLONGLINE",
    "CDLMARUBOZU",
    "CDLRISEFALL3METHODS",
    "CDLSEPARATINGLINES",
    "CDLSHORTLINE",
    "CDLSPINNINGTOP",
    "CDLTASUKIGAP",
    "CDLTRISTAR",
    "CDLXSIDEGAP3METHODS",
]
#: ... with the same sign, because they point nowhere, ...
EVEN = ("CDLDOJI", "CDLLONGLEGGEDDOJI", "CDLRICKSHAWMAN")
#: ... or another pattern.
PAIRS = (
    ("CDLMORNINGSTAR", "CDLEVENINGSTAR", -1),
    ("CDLMORNINGDOJISTAR", "CDLEVENINGDOJISTAR", -1),
    ("CDLDRAGONFLYDOJI", "CDLGRAVESTONEDOJI", 1),
    ("golden_cross", "death_cross", -1),
    ("macd_buy", "macd_sell", -1),
)
#: All others have one direction only, and TA-Lib has no mirrored pattern.
ONE_SIDED = set(CANDLES) - {*ODD, *EVEN, *(name for left, right, _ in PAIRS for name in (left, right))}


def varied(rows: int, seed: int) -> recorded.Bars:
    """Bars with long and short bodies, gaps and missing shadows, none of which closes where it opened."""
    rng = np.random.default_rng(seed)
    step = rng.integers(-40, 41, rows) * np.where(rng.random(rows) < 0.3, 4, 1)
    close = 1e6 + np.cumsum(step)
    before = np.r_[close[0], close[:-1]]
    open_ = np.where(rng.random(rows) < 0.6, close + rng.integers(-60, 61, rows), before + rng.integers(-6, 7, rows))
    open_ = np.where(open_ == close, close + rng.choice([-1, 1], rows), open_)
    high = np.maximum(open_, close) + rng.integers(0, 30, rows) * (rng.random(rows) < 0.7)
    low = np.minimum(open_, close) - rng.integers(0, 30, rows) * (rng.random(rows) < 0.7)
    return {"open": open_, "high": high, "low": low, "close": close}


def scaled(bars: recorded.Bars, factor: float) -> recorded.Bars:
    return {n: c * factor if n in (*_PRICES, "notional") else c for n, c in bars.items()}


def mirrored(bars: recorded.Bars, about: float = 2e6) -> recorded.Bars:
    return {n: about - bars[{"high": "low", "low": "high"}.get(n, n)] for n in _PRICES}


def marks(bars: recorded.Bars, name: str) -> list[tuple[int, int]]:
    return [(one.row, one.value) for one in patterns.find(bars, [name])]


@pytest.mark.parametrize("name", INDICATORS)
def test_another_unit_of_money(name: str) -> None:
    (one,) = parse_names(example(name))
    bars = recorded.invented(900)
    usual, other = one.compute(bars), one.compute(scaled(bars, 7.0))
    for column, output in one.outputs.items():
        expected = usual[column] * (7 if output.unit == PRICE else 1)
        np.testing.assert_allclose(other[column], expected, rtol=1e-11, atol=1e-7)


@pytest.mark.parametrize("name", INDICATORS)
def test_up_for_down(name: str) -> None:
    """Prices about a middle, oscillators about 50: what rises in one falls in the other."""
    (one,) = parse_names(example(name))
    bars = recorded.invented(900)
    other = bars | mirrored(bars)
    other["notional"] = 2e6 * bars["volume"] - bars["notional"]
    usual, flipped = list(one.compute(bars).values()), list(one.compute(other).values())
    swapped = {
        "bbands": lambda u, m, x: (2e6 - x, 2e6 - m, 2e6 - u),
        "keltner": lambda u, m, x: (2e6 - x, 2e6 - m, 2e6 - u),
        "donchian": lambda u, m, x: (2e6 - x, 2e6 - m, 2e6 - u),
        "macd": lambda *lines: tuple(-x for x in lines),
        "rsi": lambda x: (100 - x,),
        "stoch": lambda k, d: (100 - k, 100 - d),
        "adx": lambda x, plus, minus: (x, minus, plus),
        "atr": lambda x: (x,),
        "rvol": lambda x: (x,),
        "obv": lambda x: (2 * bars["volume"][0] - x,),
        "roc": None,  # a ratio of prices has no mirror in differences
        "supertrend": None,  # begins as rising; below
    }.get(name, lambda *lines: tuple(2e6 - x for x in lines))
    if swapped is None:
        return
    for got, expected in zip(flipped, swapped(*usual), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-11, atol=1e-7)


def test_supertrend_mirrored_is_the_same_after_it_has_turned() -> None:
    (one,) = parse_names("supertrend:10:3")
    bars = recorded.invented(3_000, seed=2)
    usual, other = one.compute(bars), one.compute(bars | mirrored(bars))
    enough = one.converged(bars)
    assert enough.sum() > 1_000
    assert (other["supertrend_10_3_direction"] == -usual["supertrend_10_3_direction"])[enough].all()
    np.testing.assert_allclose(other["supertrend_10_3"][enough], 2e6 - usual["supertrend_10_3"][enough], rtol=1e-11)


@pytest.mark.parametrize("name", patterns.TITLES)
def test_patterns_in_another_unit_of_money(name: str) -> None:
    for seed in range(3):
        bars = varied(3_000, seed)
        # Times a power of two no digit of a price changes, so that even at the limits of a definition nothing does.
        assert marks(bars, name) == marks(scaled(bars, 0.25), name) == marks(scaled(bars, 8.0), name)


@pytest.mark.parametrize("name", patterns.TITLES)
def test_older_candles_change_no_pattern(name: str) -> None:
    reach = patterns.reach([name])
    bars = varied(3_000, seed=11)
    older = {n: np.concatenate([column * 1.25, bars[n]]) for n, column in varied(700, seed=12).items()}
    expected = [(row, value) for row, value in marks(bars, name) if row >= reach]
    assert [(row - 700, value) for row, value in marks(older, name) if row >= 700 + reach] == expected


def test_every_pattern_is_odd_even_one_of_a_pair_or_one_sided() -> None:
    assert len(CANDLES) == 61
    assert len(ODD) + len(EVEN) + 6 + len(ONE_SIDED) == 61


@pytest.mark.parametrize("name", [*ODD, *EVEN])
def test_patterns_up_for_down(name: str) -> None:
    sign = 1 if name in EVEN else -1
    seen = 0
    for seed in range(12):
        bars = varied(4_000, seed)
        usual = marks(bars, name)
        assert marks(mirrored(bars), name) == [(row, sign * value) for row, value in usual]
        seen += len(usual)
    assert seen


@pytest.mark.parametrize(("left", "right", "sign"), PAIRS)
def test_the_mirror_of_a_pattern_is_its_pair(left: str, right: str, sign: int) -> None:
    seen = 0
    for seed in range(12):
        bars = varied(4_000, seed)
        usual = marks(bars, left)
        assert marks(mirrored(bars), right) == [(row, sign * value) for row, value in usual]
        seen += len(usual)
    assert seen


@pytest.mark.parametrize("name", sorted(ONE_SIDED))
def test_one_sided_patterns_point_one_way(name: str) -> None:
    values = {value for seed in range(12) for _, value in marks(varied(4_000, seed), name)}
    # CDL3STARSINSOUTH is too rare for an invented market; CDLGAPSIDESIDEWHITE is of white candles, in either direction.
    assert len(values) <= 1 or name == "CDLGAPSIDESIDEWHITE"
