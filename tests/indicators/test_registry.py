"""Names of indicators: read, checked, turned into columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators.entries import INDICATORS
from indicators.indicator import MAX_WINDOW, Indicator, Output, Parameter
from indicators.registry import example, parse_names, usage
from tests.indicators import recorded


def test_a_name_gives_a_column() -> None:
    first, second = parse_names("sma:2, ema:50")
    assert list(first.outputs) == ["sma_2"]
    assert list(second.outputs) == ["ema_50"]
    assert first.compute({"close": np.array([1.0, 3.0])})["sma_2"][1] == 2.0


def test_outputs_are_named_by_the_request() -> None:
    names = "obv,bbands:20:2,bbands:20:2.50,macd:12:26:9,stoch:14:3:3,vwap_rolling:9,keltner:20:10:1.5,supertrend:10:3"
    columns = [column for one in parse_names(names) for column in one.outputs]
    assert columns == [
        "obv",
        "bbands_20_2_upper",
        "bbands_20_2_middle",
        "bbands_20_2_lower",
        "bbands_20_2p5_upper",
        "bbands_20_2p5_middle",
        "bbands_20_2p5_lower",
        "macd_12_26_9",
        "macd_12_26_9_signal",
        "macd_12_26_9_hist",
        "stoch_14_3_3_k",
        "stoch_14_3_3_d",
        "vwap_rolling_9",
        "keltner_20_10_1p5_upper",
        "keltner_20_10_1p5_middle",
        "keltner_20_10_1p5_lower",
        "supertrend_10_3",
        "supertrend_10_3_direction",
    ]


def test_twice_the_same_counts_once() -> None:
    assert [c.name for c in parse_names("sma:20,ema:20,sma:20,bbands:20:2,bbands:20:2.0")] == [
        "sma_20",
        "ema_20",
        "bbands_20_2",
    ]


def test_a_request_may_name_the_columns() -> None:
    (one,) = parse_names("fast=macd:12:26:9")
    assert list(one.outputs) == ["fast", "fast_signal", "fast_hist"]


@pytest.mark.parametrize(
    "text",
    ["", "sma", "sma:", "sma:0", "sma:-5", "sma:1e9", "sma:nan", "sma:1001", "sma:2.5", "sma:2.0", "sma:1:2", "SMA:5",
     "bbands:20:nan", "bbands:20:0.05", "bbands:1:2", "sma:٣", "sma:5,", "rsi:1", "macd:26:12:9", "macd:12:12:9", "obv:1",
     ",".join(f"sma:{n}" for n in range(1, 22)), "x_converged=sma:5"],
)  # fmt: skip
def test_what_cannot_be_used_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"indicator|must be|a name for a column|no name"):
        parse_names(text)


@pytest.mark.parametrize(
    ("text", "hint"),
    [("emma:20", "ema"), ("MACD:12:26:9", "macd"), ("bollinger:20:2", "bbands"), ("super_trend:10:3", "supertrend"),
     ("stochastic:14:3:3", "stoch"), ("relative:20", "rsi"), ("average_true_range", "atr")],
)  # fmt: skip
def test_an_unknown_name_is_answered_with_the_nearest_and_all_known(text: str, hint: str) -> None:
    with pytest.raises(ValueError, match=f"did you mean {hint!r}") as raised:
        parse_names(text)
    assert all(usage(name) in str(raised.value) for name in INDICATORS)


def test_wrong_parameters_are_answered_with_the_right_form() -> None:
    with pytest.raises(ValueError, match="must be written bbands:window:deviations, for example bbands:20:2"):
        parse_names("bbands:20")
    with pytest.raises(ValueError, match="must be written vwap, for example vwap; or vwap_rolling:window"):
        parse_names("vwap:20")
    with pytest.raises(ValueError, match=r"deviations must be a number from 0\.1 to 20"):
        parse_names("bbands:20:21")
    with pytest.raises(ValueError, match=r"fast \(26\) must be less than slow \(12\)"):
        parse_names("macd:26:12:9")


@pytest.mark.parametrize("names", ["aa=sma:5,aa=sma:6", "aa=macd:12:26:9,aa_signal=ema:9", "sma_20=ema:5,sma:20"])
def test_two_indicators_may_not_share_a_column(names: str) -> None:
    with pytest.raises(ValueError, match=r"names two different|both have a column"):
        parse_names(names)


def test_one_entry_is_all_that_a_new_indicator_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    spread = Indicator(
        "High minus low, times so much.",
        lambda high, low, times: ((high - low) * times, high + low),
        ("high", "low"),
        (Parameter("times", 2, 0.5, 10, whole=False),),
        warm_up=lambda times: 0,
        reach=lambda times: 0,
        outputs=(Output(), Output("sum")),
    )
    monkeypatch.setitem(INDICATORS, "spread", spread)
    assert (usage("spread"), example("spread")) == ("spread:times", "spread:2")
    (one,) = parse_names("spread:1.5")
    got = one.compute({"high": np.array([3.0]), "low": np.array([1.0])})
    assert {name: values.tolist() for name, values in got.items()} == {"spread_1p5": [3.0], "spread_1p5_sum": [4.0]}
    assert one.converged({"high": np.array([3.0]), "low": np.array([1.0])}).tolist() == [True]


@pytest.mark.parametrize("name", INDICATORS)
def test_usual_arguments_can_be_used(name: str) -> None:
    (one,) = parse_names(example(name))
    assert one.reach >= one.warm_up or name == "vwap"
    assert all(p.low <= p.default <= p.high <= MAX_WINDOW for p in one.indicator.parameters)
    assert one.indicator.meaning.endswith(".")
    compute = " ".join((one.indicator.compute.__doc__ or "").split())
    assert "Source: " in compute
    assert "arm-up" in compute or "NaN before" in compute


@pytest.mark.parametrize("name", INDICATORS)
def test_a_row_without_a_price_is_no_candle(name: str) -> None:
    """It has no value, and the others are what they would be without it."""
    (one,) = parse_names(example(name))
    bars = recorded.invented(600)
    at = [0, 100, 300, 301]
    prices = [i for i in one.indicator.inputs if i in ("open", "high", "low", "close")]
    holes = {n: np.insert(c, at, np.nan if n in prices else c[np.minimum(at, 599)]) for n, c in bars.items()}
    hole_rows = [i + k for k, i in enumerate(at)]
    if not prices:
        pytest.skip("needs no price")
    for column, values in one.compute(bars).items():
        got = one.compute(holes)[column]
        assert np.isnan(got[hole_rows]).all()
        np.testing.assert_array_equal(np.delete(got, hole_rows), values)
    assert not one.converged(holes)[hole_rows].any()
    np.testing.assert_array_equal(np.delete(one.converged(holes), hole_rows), one.converged(bars))


def test_a_volume_that_is_not_known_is_none() -> None:
    bars = {"close": np.array([1.0, 2.0, 3.0]), "volume": np.array([5.0, np.nan, 7.0])}
    assert parse_names("obv")[0].compute(bars)["obv"].tolist() == [5.0, 5.0, 12.0]


def test_without_any_candle_there_is_nothing() -> None:
    nan = np.full(2, np.nan)
    for name in INDICATORS:
        (one,) = parse_names(example(name))
        empty = {i: np.empty(0) for i in one.indicator.inputs}
        assert all(len(values) == 0 for values in one.compute(empty).values())
        assert len(one.converged(empty)) == 0
        if "close" in one.indicator.inputs:
            unknown = dict.fromkeys(one.indicator.inputs, nan)
            assert all(np.isnan(values).all() for values in one.compute(unknown).values())


@given(st.text(max_size=40))
def test_any_text_is_read_or_an_error(text: str) -> None:
    try:
        chosen = parse_names(text)
    except ValueError:
        return
    assert all(c.outputs for c in chosen)
