"""Patterns over REST: TA-Lib on the answered candles gives the same."""

from __future__ import annotations

import numpy as np
import pytest
import talib
from redis import Redis

from indicators.patterns import TITLES
from market.bar import Bar
from rest_bridge import patterns
from tests.indicators import recorded
from tests.rest_bridge.conftest import Api
from tests.rest_bridge.test_indicators import HOUR, T0, closes, stored
from tests.support import write_bars

CANDLES = [name for name in TITLES if name.startswith("CDL")]


def test_talib_on_the_answered_candles_gives_the_same(api: Api, redis: Redis) -> None:
    for symbol in ("AAPL", "UGA"):
        bars = recorded.bars(symbol) if recorded.names() else recorded.invented(1_500)
        stored(redis, symbol, bars, 5 * HOUR)
        candles = api.rows("candles", symbol=symbol)
        columns = [np.array([row[name] for row in candles]) for name in "ohlc"]
        expected = [
            (candles[row]["t"], name, int(marks[row]))
            for name in CANDLES
            for marks in [getattr(talib, name)(*columns)]
            for row in np.flatnonzero(marks)
        ]
        rows = api.rows("patterns", symbol=symbol)
        assert rows == api.rows("patterns", symbol=symbol, names=",".join(TITLES))
        got = [(r["t"], r["pattern"], r["value"]) for r in rows if r["pattern"].startswith("CDL")]
        assert len(got) > 500
        assert sorted(got) == sorted(expected)
        assert [r["t"] for r in rows] == sorted(r["t"] for r in rows)
        assert all(r["title"] == TITLES[r["pattern"]] for r in rows)


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m"])
def test_a_pattern_does_not_depend_on_the_range(api: Api, redis: Redis, timeframe: str) -> None:
    stored(redis, "AAPL", recorded.invented(3_000, seed=5), T0 - 17_000 * 86_400_000)
    whole = api.rows("patterns", symbol="AAPL", timeframe=timeframe)
    last = api.rows("candles", symbol="AAPL", timeframe=timeframe)[-1]["t"]
    for candles in (0, 30, 100):
        start = last - candles * 60_000 * int(timeframe[:-1])
        for more in ({}, {"to": last}):
            some = api.rows("patterns", symbol="AAPL", timeframe=timeframe, from_=start, **more)
            assert some == [row for row in whole if row["t"] >= start]


def test_crossings_are_among_them(api: Api, redis: Redis) -> None:
    prices = [1_000_000 - 1_000 * i for i in range(250)] + [750_000 + 3_000 * i for i in range(150)]
    write_bars(redis, closes("AAPL", prices))
    rows = api.rows("patterns", symbol="AAPL", names="golden_cross,death_cross")
    assert [(row["pattern"], row["value"]) for row in rows] == [("golden_cross", 100)]
    at = (rows[0]["t"] - T0) // 60_000
    averages = api.rows("indicators", symbol="AAPL", names="sma:50,sma:200")
    assert averages[at]["sma_50"] > averages[at]["sma_200"]
    assert averages[at - 1]["sma_50"] <= averages[at - 1]["sma_200"]
    only = api.rows("patterns", symbol="AAPL", names="golden_cross", from_=rows[0]["t"], to=rows[0]["t"])
    assert only == rows


def test_several_symbols_carry_their_name(api: Api, redis: Redis) -> None:
    doji = [Bar(s, T0 + i * 60_000, 10_000, 10_500, 9_500, 10_000, 1, 10_000) for s in ("BB", "AA") for i in range(12)]
    write_bars(redis, doji)
    rows = api.rows("patterns", symbol="BB,AA,NONE", names="CDLDOJI")
    assert [r["symbol"] for r in rows] == ["BB", "AA"] * 2
    assert {r["title"] for r in rows} == {TITLES["CDLDOJI"]}
    assert [r["symbol"] for r in api.rows("patterns", symbol="AA", names="CDLDOJI", labels=1)] == ["AA", "AA"]


def test_a_limit_gives_the_newest(api: Api, redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    stored(redis, "AAPL", recorded.invented(300), T0 - 17_000 * 86_400_000)
    whole = api.rows("patterns", symbol="AAPL")
    assert api.rows("patterns", symbol="AAPL", limit=3) == whole[-3:]
    monkeypatch.setattr(patterns, "MAX_ROWS", 50)
    since = api.rows("candles", symbol="AAPL", limit=50)[0]["t"]
    assert api.rows("patterns", symbol="AAPL") == [row for row in whole if row["t"] >= since]


def test_an_unknown_name_is_answered_with_the_nearest_and_all_that_exist(api: Api) -> None:
    message = api.refused("patterns", symbol="AAPL", names="CDLENGULFIN")
    assert "did you mean 'CDLENGULFING'?" in message
    assert all(name in message for name in TITLES)
    assert "did you mean 'CDLHAMMER'?" in api.refused("patterns", symbol="AAPL", names="hammer")
    assert "did you mean 'golden_cross'?" in api.refused("patterns", symbol="AAPL", names="goldencross")


def test_nothing_is_found_of_a_symbol_never_seen(api: Api) -> None:
    assert api.rows("patterns", symbol="NONE") == []


def test_the_catalog_has_every_pattern_with_its_title(api: Api) -> None:
    assert {row["pattern"]: row["title"] for row in api.rows("patterns/catalog")} == TITLES
