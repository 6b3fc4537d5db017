"""Names of indicators: read, checked, turned into columns."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from indicators import registry
from indicators.registry import Argument, Indicator, parse_names


def test_a_name_gives_a_column() -> None:
    first, second = parse_names("sma:2,ema:50")
    assert first.columns == ["sma_2"]
    assert second.columns == ["ema_50"]
    got = first.compute({"close": np.array([1.0, 3.0])})
    assert got["sma_2"][1] == 2.0


def test_twice_the_same_counts_once() -> None:
    assert [c.name for c in parse_names("sma:20,ema:20,sma:20")] == ["sma_20", "ema_20"]


@pytest.mark.parametrize(
    "text",
    ["", "sma", "sma:", "sma:0", "sma:-5", "sma:1e9", "sma:nan", "sma:1001", "sma:2.5", "sma:2.0", "sma:1:2", "SMA:5",
     "bbands:20:nan", "sma:٣", "sma:5,", ",".join(f"sma:{n}" for n in range(1, 22))],
)  # fmt: skip
def test_what_cannot_be_used_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"indicator|sma|written|window"):
        parse_names(text)


def test_an_unknown_name_is_told_the_known_ones() -> None:
    with pytest.raises(ValueError, match="sma:window, ema:window"):
        parse_names("macd:12:26:9")


def test_several_outputs_and_fractions_are_named_as_the_design_says(monkeypatch: pytest.MonkeyPatch) -> None:
    bands = Indicator(
        (Argument("window"), Argument("width", 0.1, 10, whole=False)),
        lambda x, n, width: (x["close"] + width, x["close"], x["close"] - width),
        lambda n, width: n - 1,
        ("upper", "middle", "lower"),
    )
    monkeypatch.setitem(registry.INDICATORS, "bbands", bands)
    (one,) = parse_names("bbands:20:2.5")
    assert one.columns == ["bbands_20_2p5_upper", "bbands_20_2p5_middle", "bbands_20_2p5_lower"]
    assert one.lookback == 19
    assert one.compute({"close": np.array([1.0])})["bbands_20_2p5_upper"][0] == 3.5
    assert parse_names("bbands:20:2")[0].name == "bbands_20_2"


@given(st.text(max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        chosen = parse_names(text)
    except ValueError:
        return
    assert all(c.columns for c in chosen)
