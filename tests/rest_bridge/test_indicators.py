"""Indicators over REST: real bars against formulas, ranges, holes, names."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from redis import Redis

from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import example, parse_names, usage
from market.bar import Bar
from market.price import NO_NOTIONAL
from market.timeframes import parse
from tests.indicators import formulas, recorded
from tests.rest_bridge.conftest import Api
from tests.support import ROOT, write_bars

T0 = 1_760_103_000_000  # Friday 2025-10-10 09:30 in New York
HOUR = 3_600_000
EVERY = ",".join(map(example, INDICATORS))


def stored(redis: Redis, symbol: str, bars: recorded.Bars, shift_ms: int) -> None:
    """A second bar at the start of each minute; the rules make minutes and more of it."""
    columns = [bars[name].astype(int).tolist() for name in ("open", "high", "low", "close")]
    notional = [NO_NOTIONAL if n != n else int(n) for n in bars["notional"].tolist()]
    rows = zip((bars["t"] + shift_ms).tolist(), *columns, bars["volume"].tolist(), notional, strict=True)
    write_bars(redis, [Bar(symbol, *row) for row in rows])


def closes(symbol: str, prices: list[int], step: int = 60) -> list[Bar]:
    return [Bar(symbol, T0 + i * step * 1000, p, p, p, p, 1, p) for i, p in enumerate(prices)]


@pytest.mark.parametrize("symbol", ["AAPL", "AMZN", "UGA", "VIX"])
def test_recorded_bars_give_what_the_published_formulas_give(api: Api, redis: Redis, symbol: str) -> None:
    if not recorded.names():
        pytest.skip(recorded.ABSENT)
    bars = recorded.bars(symbol)
    stored(redis, symbol, bars, 5 * HOUR)  # New York in February
    rows = api.rows("indicators", symbol=symbol, timeframe="1m", names=EVERY)
    assert len(rows) == len(bars["t"])
    for name, indicator in INDICATORS.items():
        (one,) = parse_names(example(name))
        expected = getattr(formulas, name)(*(bars[i].tolist() for i in indicator.inputs), *one.arguments)
        outputs = expected if isinstance(expected, tuple) else (expected,)
        for (column, output), values in zip(one.outputs.items(), outputs, strict=True):
            got = np.array([np.nan if row[column] is None else row[column] for row in rows])
            value = np.array(values) / (10_000 if output.unit == PRICE else 1)
            assert np.isnan(got).tolist() == np.isnan(value).tolist(), column
            assert np.nanmax(np.abs(got - value), initial=0) < 1e-9, column


@pytest.mark.parametrize("timeframe", ["1m", "5m", "15m", "1h"])
def test_a_value_does_not_depend_on_the_range(api: Api, redis: Redis, timeframe: str) -> None:
    stored(redis, "AAPL", recorded.invented(3_500, seed=9), T0 - 17_000 * 86_400_000)
    asked = {"symbol": "AAPL", "timeframe": timeframe, "names": EVERY, "converged": 1}
    whole = api.rows("indicators", **asked)
    last = whole[-1]["t"]
    length = parse(timeframe).ms
    ranges = ({"limit": 1}, {"from_": last - 40 * length, "to": last}, {"from_": last - 7 * length}, {"limit": 333})
    for more in ranges:
        some = api.rows("indicators", **asked, **more)
        assert len(some) >= 1
        for got, expected in zip(some, whole[-len(some) :], strict=True):
            assert list(got) == list(expected)
            for column, value in expected.items():
                close = value is not None and got[column] == pytest.approx(value, rel=1e-11, abs=2e-10)
                assert got[column] is value or close, (column, more)
    # At the last candle's time of day there may have been none before.
    assert {column for column, value in whole[-1].items() if value is None} <= {"rvol_20", "vw"}
    if timeframe in ("1m", "5m"):  # of the longer ones too few are stored
        converged = {column.removesuffix("_converged") for column, value in whole[-1].items() if value is True}
        # So many sessions are not stored, and a level without meaning never converges.
        assert converged == {parse_names(example(name))[0].name for name in INDICATORS} - {"rvol_20", "obv"}


def test_columns_of_the_candles(api: Api, redis: Redis) -> None:
    write_bars(redis, closes("AAPL", [10_000, 20_000, 30_000, 40_000, 80_000]))
    rows = api.rows("indicators", symbol="AAPL", names="sma:2,ema:3,bbands:2:1.5", converged=1)
    assert [r["sma_2"] for r in rows] == [None, 1.5, 2.5, 3.5, 6.0]
    assert [r["ema_3"] for r in rows] == [None, None, 2.0, 3.0, 5.5]
    assert [r["bbands_2_1p5_upper"] for r in rows] == [None, 2.25, 3.25, 4.25, 9.0]
    assert [r["sma_2_converged"] for r in rows] == [False, True, True, True, True]
    assert not any(r["ema_3_converged"] for r in rows)
    assert [r["c"] for r in rows] == [1.0, 2.0, 3.0, 4.0, 8.0]
    candles = api.rows("candles", symbol="AAPL")
    assert [{name: row[name] for name in candles[0]} for row in rows] == candles
    assert "sma_2_converged" not in api.rows("indicators", symbol="AAPL", names="sma:2")[0]


def test_a_column_may_be_named_by_the_request(api: Api, redis: Redis) -> None:
    write_bars(redis, closes("AAPL", [10_000, 30_000]))
    rows = api.rows("indicators", symbol="AAPL", names="class=sma:2,sma:2", converged=1)
    assert [r["class"] for r in rows] == [r["sma_2"] for r in rows] == [None, 2.0]
    assert rows[1]["class_converged"]
    for names in ("vw=sma:2", "aa=sma:2,aa=sma:3", "=sma:2", "Fast=sma:2", "fast=slow=sma:2", "fast=", "symbol=sma:2"):
        assert "names" in api.refused("indicators", symbol="AAPL", names=names)


def test_several_symbols_carry_their_name_and_ascend_overall(api: Api, redis: Redis) -> None:
    write_bars(redis, closes("BBB", [10_000, 20_000, 30_000]) + closes("AAA", [50_000, 70_000]))
    rows = api.rows("indicators", symbol="BBB,AAA,NONE", names="sma:2")
    seen = [((r["t"] - T0) // 60_000, r["symbol"], r["sma_2"]) for r in rows]
    assert seen == [(0, "BBB", None), (0, "AAA", None), (1, "BBB", 1.5), (1, "AAA", 6.0), (2, "BBB", 2.5)]
    labelled = api.rows("indicators", symbol="AAA", names="sma:2", labels=1)
    assert [r["symbol"] for r in labelled] == ["AAA", "AAA"]
    assert "symbol" not in api.rows("indicators", symbol="AAA", names="sma:2")[0]


def test_no_candle_is_invented_where_nothing_traded(api: Api, redis: Redis) -> None:
    """Three trades an hour apart are three neighbouring candles; volume without a price is none."""
    bars = closes("AAPL", [10_000, 30_000, 50_000], step=3600)
    write_bars(redis, [*bars, Bar("AAPL", T0 + 1_800_000, None, None, None, None, 500, 0)])
    rows = api.rows("indicators", symbol="AAPL", names="sma:2,obv")
    assert [(r["sma_2"], r["obv"]) for r in rows] == [(None, 1), (2.0, 2), (4.0, 3)]


def test_the_vwap_of_a_session_begins_with_the_session_not_with_the_range(api: Api, redis: Redis) -> None:
    before = [Bar("AAPL", T0 - 20 * HOUR, 90_000, 90_000, 90_000, 90_000, 10, 900_000)]
    day = [Bar("AAPL", T0 + i * 60_000, p, p, p, p, 2, 2 * p) for i, p in enumerate((10_000, 20_000, 60_000))]
    write_bars(redis, before + day)
    rows = api.rows("indicators", symbol="AAPL", names="vwap", converged=1)
    assert [(r["vwap"], r["vwap_converged"]) for r in rows] == [(9.0, False), (1.0, True), (1.5, True), (3.0, True)]
    for more in ({"limit": 1}, {"from_": T0 + 120_000}, {"from_": T0 + 120_000, "to": T0 + 130_000}):
        assert api.rows("indicators", symbol="AAPL", names="vwap", converged=1, **more) == rows[-1:]


def test_relative_volume_is_against_the_same_time_of_day(api: Api, redis: Redis) -> None:
    volumes = ((0, 100), (1, 300), (3, 800))  # Friday, Saturday, and the Monday after
    bars = [Bar("AAPL", T0 + day * 24 * HOUR, 10_000, 10_000, 10_000, 10_000, v, 10_000 * v) for day, v in volumes]
    other = [b._replace(t=b.t + HOUR, v=7, n=70_000) for b in bars]
    write_bars(redis, sorted(bars + other, key=lambda b: b.t))
    rows = api.rows("indicators", symbol="AAPL", names="rvol:20", from_=T0 + 72 * HOUR)
    assert [r["rvol_20"] for r in rows] == [4.0, 1.0]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("", "names is required"),
        ("emma:20", "did you mean 'ema'?; known are sma:window"),
        ("bollinger:20:2", "did you mean 'bbands'?"),
        ("sma", "must be written sma:window, for example sma:20"),
        ("bbands:20", "must be written bbands:window:deviations, for example bbands:20:2"),
        ("sma:0", "window must be a whole number from 1 to 1000"),
        ("sma:nan", "window must be a whole number from 1 to 1000"),
        ("bbands:20:1e9", "deviations must be a number from 0.1 to 20"),
        ("macd:26:12:9", "fast (26) must be less than slow (12)"),
        (",".join(f"sma:{n}" for n in range(1, 22)), "at most 20"),
    ],
)
def test_bad_names_and_parameters_are_answered_with_what_exists(api: Api, names: str, words: str) -> None:
    message = api.refused("indicators", symbol="AAPL", names=names)
    assert words in message
    if "did you mean" in message:
        assert all(usage(name) in message for name in INDICATORS)


def test_the_catalog_names_all_that_can_be_asked_for(api: Api, redis: Redis) -> None:
    write_bars(redis, closes("AAPL", [10_000, 20_000]))
    rows = api.rows("indicators/catalog")
    assert [row["name"] for row in rows] == list(INDICATORS)
    answer = api.rows("indicators", symbol="AAPL", names=",".join(row["example"] for row in rows))[0]
    assert [o["column"] for row in rows for o in row["outputs"]] == [name for name in answer if len(name) > 2]
    bands: dict[str, Any] = next(row for row in rows if row["name"] == "bbands")
    assert bands["usage"] == "bbands:window:deviations"
    assert bands["parameters"] == [
        {"name": "window", "default": 20, "low": 2, "high": 1000, "whole": True},
        {"name": "deviations", "default": 2, "low": 0.1, "high": 20, "whole": False},
    ]
    assert [o["suffix"] for o in bands["outputs"]] == ["upper", "middle", "lower"]
    assert bands["unit"] == "price"
    assert bands["meaning"]


_PROGRAM = """
import sys
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig

client = create_app(BridgeConfig(sys.argv[1])).test_client()
for path in ("candles?symbol=A", "indicators/catalog", "patterns/catalog", "indicators?symbol=NONE&names=sma:5"):
    assert client.get("/api/v1/" + path).status_code == 200, path
assert "talib" not in sys.modules
assert client.get("/api/v1/indicators?symbol=A&names=sma:5").json[0]["sma_5"] is None
assert "talib" in sys.modules
"""


def test_talib_is_loaded_with_the_first_value_that_is_asked_for(redis: Redis, redis_url: str) -> None:
    write_bars(redis, closes("A", [10_000]))
    done = subprocess.run(
        [sys.executable, "-c", _PROGRAM, redis_url], capture_output=True, text=True, cwd=ROOT, check=False
    )
    assert done.returncode == 0, done.stderr
