"""Patterns and crossings: TA-Lib's answers on real bars, holes, and crossings made by hand."""

from __future__ import annotations

import numpy as np
import pytest
import talib

from indicators import patterns
from indicators.patterns import Found, crosses, find
from tests.indicators import formulas, recorded

CANDLES = [name for name in patterns.TITLES if name.startswith("CDL")]


def decimals(bars: recorded.Bars) -> recorded.Bars:
    return {name: bars[name] / 10_000 for name in ("open", "high", "low", "close")}


def closes(*values: float) -> recorded.Bars:
    column = np.array(values, float)
    return dict.fromkeys(("open", "high", "low", "close"), column)


def test_the_names_are_talibs() -> None:
    assert talib.get_function_groups()["Pattern Recognition"] == CANDLES
    assert len(CANDLES) == 61
    assert len(set(patterns.TITLES.values())) == len(patterns.TITLES)


@pytest.mark.parametrize("name", CANDLES)
def test_each_pattern_is_talibs_on_recorded_bars(name: str) -> None:
    symbols = recorded.names()
    if not symbols:
        pytest.skip(recorded.ABSENT)
    assert len(symbols) == 24
    for symbol in symbols:
        bars = decimals(recorded.bars(symbol))
        expected = getattr(talib, name)(*bars.values())
        rows = np.flatnonzero(expected)
        assert find(bars, [name]) == [Found(int(row), name, int(expected[row])) for row in rows]
        # Also where only the last candles are requested, with `reach` candles before them.
        first = len(expected) - 300
        cut = {n: column[first - patterns.reach([name]) :] for n, column in bars.items()}
        recent = [(f.row + first - patterns.reach([name]), f.value) for f in find(cut, [name], patterns.reach([name]))]
        assert recent == [(int(row), int(expected[row])) for row in rows if row >= first]


def test_all_together_ascend_by_row() -> None:
    bars = recorded.invented(500)
    found = find(bars)
    assert [one.row for one in found] == sorted(one.row for one in found)
    assert {one.pattern for one in found} > {"CDLDOJI", "CDLENGULFING", "CDLHARAMI"}
    assert [one for one in found if one.row >= 400] == find(bars, first=400)


def test_a_hole_is_no_candle() -> None:
    bars = recorded.invented(400)
    holes = {name: np.insert(bars[name], [50, 200, 201], np.nan) for name in ("open", "high", "low", "close")}
    holes["high"][50] = 5.0  # one price that is not known is enough
    rows = [row for row in range(403) if row not in (50, 201, 203)]
    assert np.isnan(sum(holes.values())).nonzero()[0].tolist() == [50, 201, 203]
    assert find(holes) == [Found(rows[one.row], one.pattern, one.value) for one in find(bars)]


def test_no_candles_have_no_patterns() -> None:
    assert find(closes()) == []
    assert find(closes(np.nan, np.nan)) == []
    assert find(closes(1.0), ["golden_cross", "macd_buy", "CDLDOJI"]) == []


def test_golden_and_death_cross() -> None:
    fall, rise = np.linspace(200, 100, 260), np.linspace(100, 300, 200)
    close = np.concatenate([fall, rise, rise[::-1]])
    fast, slow = np.array(formulas.sma(close, 50)), np.array(formulas.sma(close, 200))
    above = fast > slow
    up = [i for i in range(200, len(close)) if above[i] and not above[i - 1]]
    down = [i for i in range(200, len(close)) if above[i - 1] and not above[i]]
    assert len(up) == len(down) == 1
    expected = [Found(up[0], "golden_cross", 100), Found(down[0], "death_cross", -100)]
    assert find(closes(*close), ["golden_cross", "death_cross"]) == expected


def test_macd_buys_and_sells_take_turns() -> None:
    close = recorded.invented(3_000, seed=4)["close"] / 10_000
    line, signal, _ = formulas.macd(close.tolist(), 12, 26, 9)
    above = np.array(line) > np.array(signal)
    expected = [
        Found(i, "macd_buy" if above[i] else "macd_sell", 100 if above[i] else -100)
        for i in range(34, len(close))
        if above[i] != above[i - 1]
    ]
    assert len(expected) > 20
    assert find(closes(*close), ["macd_buy", "macd_sell"]) == expected


def test_lines_that_only_touch_do_not_cross_twice() -> None:
    price = np.full(6, 100.0)
    line, other = np.array([1.0, 3, 2, 3, 1, np.nan]), np.full(6, 2.0)
    assert np.flatnonzero(crosses(line, other, price, up=True)).tolist() == [1, 3]
    assert np.flatnonzero(crosses(line, other, price, up=False)).tolist() == [4]


def test_what_rounding_leaves_of_equal_lines_is_no_crossing() -> None:
    price, other = np.full(4, 100.0), np.full(4, 50.0)
    noise = other + np.array([-1e-12, 1e-12, -1e-12, 1e-7])
    assert np.flatnonzero(crosses(noise, other, price, up=True)).tolist() == [3]
    assert not crosses(noise, other, price, up=False).any()


@pytest.mark.parametrize("name", patterns.TITLES)
def test_every_pattern_has_a_title_in_plain_words(name: str) -> None:
    title = patterns.TITLES[name]
    assert title[0].isupper()
    assert "CDL" not in title
    assert len(title) <= 60
