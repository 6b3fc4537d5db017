"""What counts as a timeframe, and which stored one it is made of."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.timeframes import DAY_MS, STORED, parse


@pytest.mark.parametrize(
    ("text", "ms", "source"),
    [
        ("1s", 1_000, "1s"),
        ("5s", 5_000, "1s"),
        ("15s", 15_000, "1s"),
        ("90s", 90_000, "1s"),
        ("60s", 60_000, "1m"),
        ("1m", 60_000, "1m"),
        ("3m", 180_000, "1m"),
        ("5m", 300_000, "5m"),
        ("15m", 900_000, "5m"),
        ("60m", 3_600_000, "1h"),
        ("90m", 5_400_000, "5m"),
        ("1h", 3_600_000, "1h"),
        ("4h", 14_400_000, "1h"),
        ("24h", DAY_MS, "1h"),
        ("1d", DAY_MS, "1h"),
        ("86400s", DAY_MS, "1h"),
    ],
)
def test_a_timeframe_has_a_length_and_the_coarsest_source(text: str, ms: int, source: str) -> None:
    timeframe = parse(text)
    assert (timeframe.name, timeframe.ms, timeframe.source) == (text, ms, source)
    assert timeframe.source_ms == STORED[source]


@pytest.mark.parametrize(
    ("text", "name"), [("1D", "1d"), ("5Min", "5m"), ("60MIN", "60m"), ("2Hours", "2h"), ("15SEC", "15s"), ("4H", "4h")]
)
def test_units_are_understood_in_any_case_and_as_words(text: str, name: str) -> None:
    assert parse(text) == parse(name)


@pytest.mark.parametrize("text", ["1M", "5M"])
def test_a_capital_m_is_ambiguous(text: str) -> None:
    with pytest.raises(ValueError, match=f"ambiguous: {text[0]}m is minutes, {text[0]}mo"):
        parse(text)


@pytest.mark.parametrize("text", ["1s", "1m", "5m", "1h"])
def test_the_stored_ones_are_their_own_source(text: str) -> None:
    assert parse(text).stored
    assert not parse(text).daily


def test_a_day_is_daily_and_not_stored() -> None:
    assert parse("1d").daily
    assert not parse("1d").stored
    assert not parse("4h").daily


@pytest.mark.parametrize(
    "text",
    [
        "",
        "m",
        "1",
        "0m",
        "-1m",
        "+1m",
        "01m",
        "1.5m",
        "1mo",
        "1w",
        "1 m",
        " 1m",
        "1m ",
        "1m\n",
        "１m",
        "100000s",
        "1mm",
        "5m,1h",
    ],
)
def test_what_is_no_timeframe_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="such as 1s, 5m, 1h or 1d"):
        parse(text)


@pytest.mark.parametrize("text", ["7m", "7s", "5h", "25h", "2d", "1441m", "86401s"])
def test_what_does_not_divide_a_day_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="does not divide a day"):
        parse(text)


def test_a_long_text_is_not_repeated_in_the_refusal() -> None:
    with pytest.raises(ValueError, match="timeframe") as refused:
        parse("x" * 5000)
    assert len(str(refused.value)) < 200


@given(st.integers(1, 99_999), st.sampled_from("smhd"))
def test_every_accepted_timeframe_tiles_a_day_from_whole_source_bars(count: int, unit: str) -> None:
    try:
        timeframe = parse(f"{count}{unit}")
    except ValueError:
        assert DAY_MS % (count * {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}[unit])
        return
    assert DAY_MS % timeframe.ms == 0
    assert timeframe.ms % timeframe.source_ms == 0
    assert not any(timeframe.ms % ms == 0 for ms in STORED.values() if ms > timeframe.source_ms)
