"""Every indicator against its published formula, written out in tests/indicators/formulas.py without TA-Lib."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import Chosen, example, parse_names
from tests.indicators import formulas, recorded

TICKS = 10_000
#: Beside the usual arguments: the smallest ones, and others.
MORE = [
    "sma:1",
    "sma:200",
    "ema:1",
    "ema:2",
    "ema:200",
    "wma:1",
    "wma:50",
    "dema:1",
    "dema:5",
    "bbands:2:0.5",
    "bbands:100:2.5",
    "macd:2:3:1",
    "macd:5:35:5",
    "rsi:2",
    "rsi:50",
    "stoch:1:1:1",
    "stoch:5:3:2",
    "stoch:30:1:5",
    "adx:2",
    "adx:30",
    "roc:1",
    "roc:100",
    "atr:1",
    "atr:50",
    "keltner:1:1:0.1",
    "keltner:5:30:1.5",
    "donchian:1",
    "donchian:55",
    "supertrend:2:1",
    "supertrend:7:1.5",
    "vwap_rolling:1",
    "vwap_rolling:90",
    "rvol:1",
    "rvol:3",
]
ALL = [*map(example, INDICATORS), *MORE]


def by_formula(one: Chosen, bars: recorded.Bars) -> Sequence[list[float]]:
    name = next(n for n, indicator in INDICATORS.items() if indicator is one.indicator)
    got = getattr(formulas, name)(*(bars[i].tolist() for i in one.indicator.inputs), *one.arguments)
    return got if isinstance(got, tuple) else (got,)


def largest_difference(one: Chosen, bars: recorded.Bars) -> float:
    """In money for prices. Fails where only one of both has a value."""
    worst = 0.0
    for (column, got), expected in zip(one.compute(bars).items(), by_formula(one, bars), strict=True):
        assert np.isnan(got).tolist() == np.isnan(expected).tolist(), column
        difference = np.abs(got - expected) / (TICKS if one.outputs[column].unit == PRICE else 1)
        worst = max(worst, float(np.nanmax(difference, initial=0.0)))
    return worst


@pytest.mark.parametrize("text", ALL)
def test_on_invented_bars(text: str) -> None:
    (one,) = parse_names(text)
    assert largest_difference(one, recorded.invented(700)) < 1e-9


@pytest.mark.parametrize("kind", ["1min", "daily"])
@pytest.mark.parametrize("text", ALL)
def test_on_recorded_bars(text: str, kind: str) -> None:
    symbols = recorded.names(kind)
    if not symbols:
        pytest.skip(recorded.ABSENT)
    (one,) = parse_names(text)
    # All 24 in bench.accuracy; here some that differ: dear, cheap, without volume, with flat stretches.
    for symbol in ("AMZN", "BAC", "VIX", "UGA"):
        assert largest_difference(one, recorded.bars(symbol, kind)) < 1e-9


@pytest.mark.parametrize("text", ALL)
@given(rows=st.integers(0, 40), seed=st.integers(0, 1_000))
@settings(max_examples=15, deadline=None)
def test_on_few_rows(text: str, rows: int, seed: int) -> None:
    (one,) = parse_names(text)
    bars = recorded.invented(rows, seed)
    assert largest_difference(one, bars) < 1e-9
    assert len(one.converged(bars)) == rows


@pytest.mark.parametrize("text", ALL)
def test_the_warm_up_is_what_the_entry_claims(text: str) -> None:
    (one,) = parse_names(text)
    bars = recorded.invented(700)
    bars["volume"] = bars["volume"] + 1
    if "clock" in one.indicator.inputs:
        bars["clock"] = bars["clock"] * 0  # each candle is a session's only one; the first has none before it
        assert np.flatnonzero(~np.isnan(next(iter(one.compute(bars).values()))))[0] == 1
        return
    # The last of several outputs: an indicator has warmed up when all of them have a value.
    first = max(int(np.flatnonzero(~np.isnan(values))[0]) for values in one.compute(bars).values())
    assert first == one.warm_up


def test_converged_adx_is_wilders_own() -> None:
    """TA-Lib begins Wilder's sums with one move less than he does; that is forgotten within the reach."""
    (one,) = parse_names("adx:14")
    bars = recorded.invented(1_500)
    ours = list(one.compute(bars).values())
    wilder = formulas.adx(*(bars[i].tolist() for i in one.indicator.inputs), 14, wilders_seed=True)
    enough = one.converged(bars)
    assert enough.sum() > 500
    for got, expected in zip(ours, wilder, strict=True):
        assert np.abs(got - expected)[enough].max() < 1e-9
        assert np.nanmax(np.abs(got - expected)[:100]) > 1e-3


def test_rsi_without_any_change_is_not_known_and_not_oversold() -> None:
    (rsi,) = parse_names("rsi:3")
    flat = np.array([5.0] * 6 + [6.0] + [5.0] * 3)
    (got,) = rsi.compute({"close": flat}).values()
    assert np.isnan(got[:6]).all()
    assert got[6] == 100.0
    assert 0 < got[7] < 100
    (falling,) = rsi.compute({"close": np.arange(9.0, 0, -1)}).values()
    assert falling[3:].tolist() == [0.0] * 6


def test_stochastic_of_a_window_without_a_range_is_not_known() -> None:
    (stoch,) = parse_names("stoch:2:2:2")
    high = np.array([5.0, 6, 6, 6, 7, 8, 9, 9, 8])
    low = np.array([4.0, 6, 6, 6, 6, 7, 7, 7, 7])
    got = stoch.compute({"high": high, "low": low, "close": high})
    # Flat are the windows that end at rows 2 and 3.
    assert np.isnan(got["stoch_2_2_2_k"]).tolist() == [True, True, True, True, True, False, False, False, False]
    assert np.isnan(got["stoch_2_2_2_d"]).tolist() == [True, True, True, True, True, True, False, False, False]


def test_a_known_notional_wins_over_the_typical_price() -> None:
    one = {name: np.array([x, x]) for name, x in (("high", 12.0), ("low", 9.0), ("close", 9.0), ("volume", 2.0))}
    one |= {"notional": np.array([22.0, np.nan]), "session": np.array([0, 0])}
    assert parse_names("vwap")[0].compute(one)["vwap"].tolist() == [11.0, 10.5]
    assert parse_names("vwap_rolling:1")[0].compute(one)["vwap_rolling_1"].tolist() == [11.0, 10.0]


def test_the_sessions_vwap_begins_anew_with_each_session() -> None:
    prices = np.array([10.0, 20.0, 40.0, 50.0])
    bars = dict.fromkeys(("high", "low", "close"), prices) | {"volume": np.array([1.0, 3.0, 0.0, 2.0])}
    bars |= {"notional": prices * bars["volume"], "session": np.array([7, 7, 8, 8])}
    (vwap,) = parse_names("vwap")
    got = vwap.compute(bars)["vwap"]
    assert got[:2].tolist() == [10.0, 17.5]
    assert np.isnan(got[2])
    assert got[3] == 50.0
    assert vwap.converged(bars).tolist() == [False, False, True, True]


def test_relative_volume_compares_with_the_same_time_of_day() -> None:
    # Three sessions of a candle at 09:30, and one at 09:31 that the second session does not have.
    bars = {
        "volume": np.array([100.0, 7, 300, 600, 14]),
        "clock": np.array([570, 571, 570, 570, 571]),
    }
    (two,) = parse_names("rvol:2")
    got = two.compute(bars)["rvol_2"]
    assert np.isnan(got[:2]).all()
    assert got[2:].tolist() == [3.0, 3.0, 2.0]
    assert two.converged(bars).tolist() == [False, False, False, True, False]
