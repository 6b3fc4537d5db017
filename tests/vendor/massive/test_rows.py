"""Rows of the vendor's REST: an invalid row is skipped, the others are used."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bar import Bar
from vendor.massive.rows import closes_of, page_of, split_ratios_of, to_bar

T0 = 1_760_103_000_000
ROW = {"v": 300, "vw": 10.05, "o": 10.0, "c": 10.1, "h": 10.2, "l": 9.9, "t": T0, "n": 4}
BAR = Bar("AAPL", T0, 100_000, 102_000, 99_000, 101_000, 300, 30_150_000)
DAY, BEFORE = date(2020, 8, 31), date(2020, 8, 28)
SPLIT = {"execution_date": "2020-08-31", "id": "E1", "split_from": 1, "split_to": 4, "ticker": "AAPL"}


@pytest.mark.parametrize(
    "change",
    [
        {"t": 0}, {"t": None}, {"o": None}, {"o": "x"}, {"h": 9.0}, {"l": 11.0}, {"c": math.inf}, {"l": -1.0}, {"v": -1},
        {"v": math.nan}, {"o": math.nan}, {"o": "10.0"}, {"t": 10**17}, {"t": -1}, {"h": 1e9}, {"v": 1e18}, {"o": True},
        {"v": 9e14, "vw": 9e7},
    ],
)  # fmt: skip
def test_an_aggregate_that_cannot_be_right_is_no_bar(change: dict[str, Any]) -> None:
    assert to_bar("AAPL", ROW, 1_000) == BAR
    assert to_bar("AAPL", ROW | change, 1_000) is None


@pytest.mark.parametrize("name", ["t", "o", "h", "l", "c", "v"])
def test_an_aggregate_without_a_field_is_no_bar(name: str) -> None:
    assert to_bar("AAPL", {k: v for k, v in ROW.items() if k != name}, 1_000) is None


def test_an_aggregate_without_vwap_has_no_notional() -> None:
    assert to_bar("AAPL", {k: v for k, v in ROW.items() if k != "vw"}, 60_000) == BAR._replace(
        n=None, span=60_000, t=T0 - T0 % 60_000
    )


@given(st.recursive(st.none() | st.floats() | st.text(), lambda c: st.dictionaries(st.sampled_from("tohlcv"), c)))
def test_no_row_raises(row: Any) -> None:
    bar = to_bar("AAPL", row, 1_000)
    assert bar is None or bar.l is not None


def test_a_page_is_ascending_and_has_each_start_once() -> None:
    rows = [ROW | {"t": T0 + 2_000}, None, ROW, ROW | {"t": T0 + 2_000, "v": 5}, ROW | {"t": T0 + 90_000}, "x"]
    page = page_of("AAPL", rows, 1_000, T0, T0 + 60_000)
    assert [(bar.t, bar.v) for bar in page.bars] == [(T0, 300), (T0 + 2_000, 5)]
    assert (page.odd, page.unusable) == (2, 2)


def test_an_odd_row_beside_a_bar_of_the_same_start_hides_nothing() -> None:
    rows = [ROW, ROW | {"c": None}, ROW | {"t": T0 + 1_000, "h": "n/a"}, ROW | {"t": "now"}]
    page = page_of("AAPL", rows, 1_000, T0, T0 + 60_000)
    assert ([bar.t for bar in page.bars], page.odd, page.unusable) == ([T0], 3, 2)


@pytest.mark.parametrize(
    "odd",
    [
        None, ["MSFT", 5.0], 7, {}, {"T": "MSFT", "c": "n/a"}, {"T": "MSFT", "c": None}, {"T": "MSFT"}, {"c": 5.0},
        {"T": "M S", "c": 5.0}, {"T": None, "c": 5.0}, {"T": "MSFT", "c": -1}, {"T": "MSFT", "c": 1e9},
        {"T": "MSFT", "c": math.nan}, {"T": "MSFT", "c": 10**400}, {"T": "MSFT", "c": True},
    ],
)  # fmt: skip
def test_an_odd_row_of_closes_is_set_aside(odd: Any) -> None:
    assert closes_of([odd, {"T": "AAPL", "c": 100, "o": "odd", "vw": None}]) == ({"AAPL": 100.0}, 1)


def test_a_reverse_split_and_two_splits_multiply() -> None:
    reverse = {"execution_date": "2020-08-31", "split_from": 10, "split_to": 1, "ticker": "R"}
    rows = [SPLIT, SPLIT, SPLIT | {"id": "E2", "execution_date": "2020-08-30", "split_to": 2}, reverse]
    assert split_ratios_of(rows, BEFORE, DAY) == ({"AAPL": pytest.approx(1 / 8), "R": 10.0}, 0)


def test_splits_of_other_days_count_for_nothing() -> None:
    rows = [SPLIT | {"execution_date": when} for when in ("2020-08-28", "2020-09-01", "2022-08-25")]
    assert split_ratios_of(rows, BEFORE, DAY) == ({}, 0)


@pytest.mark.parametrize(
    "odd", [None, {}, SPLIT | {"split_to": 0}, SPLIT | {"split_from": "1"}, SPLIT | {"split_to": 1e12}]
)
def test_an_odd_row_of_splits_is_set_aside(odd: Any) -> None:
    assert split_ratios_of([odd, SPLIT], BEFORE, DAY) == ({"AAPL": 0.25}, 1)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["AAPL", "2020-08-31"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["T", "c", "t", "o", "h", "l", "v", "vw", "ticker", "split_from", "split_to", "execution_date", "id"]),
        inner, max_size=6,
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_no_row_costs_its_neighbours(row: Any) -> None:
    assert BAR in page_of("AAPL", [row, ROW], 1_000, T0, T0).bars
    assert closes_of([{"T": "OK", "c": 1.0}, row])[0]["OK"] == 1.0
    for ratio in split_ratios_of([row, SPLIT], BEFORE, DAY)[0].values():
        assert 0 < ratio < float("inf")
