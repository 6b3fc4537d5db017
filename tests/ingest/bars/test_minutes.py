"""The records of minutes: the numpy rings compared with dictionaries."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bars.minutes import RING, Known, Minutes
from market.bar import MINUTE_MS, Bar

T = 1_760_103_000_000 - 1_760_103_000_000 % MINUTE_MS
Second = tuple[int, int, float, float, float]  # symbol's number, second after T, high, low, volume


def add(minutes: Minutes, seconds: Iterable[Second]) -> list[bool]:
    rows = list(seconds)
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), (), ()]
    idx, at = np.array(columns[0], np.int64), np.array(columns[1], np.int64)
    high, low, volume = (np.array(c, np.float64) for c in columns[2:])
    first: list[bool] = minutes.add(idx, T + at * 1000, high, low, volume).tolist()
    return first


def minute(n: int, high: int = 110, low: int = 90, volume: float = 10) -> Bar:
    return Bar("X", T + n * MINUTE_MS, 100, high, low, 100, volume, 1000, MINUTE_MS)


class Plain:
    """The reference: second by second."""

    def __init__(self) -> None:
        self.slots: dict[tuple[int, int], dict[str, Any]] = {}

    def slot(self, idx: int, n: int) -> dict[str, Any] | None:
        """The record of minute `n`, a new one when the ring held an older minute; None when it holds a newer one."""
        place = (idx, n % RING)
        held = self.slots.get(place)
        if held is None or held["minute"] < n:
            held = self.slots[place] = {"minute": n, "seconds": {}, "restated": False, "filled": False}
        return held if held["minute"] == n else None

    def add(self, idx: int, second: int, high: float, low: float, volume: float) -> bool:
        held = self.slot(idx, (T + second * 1000) // MINUTE_MS)
        if held is None:
            return False
        first = second not in held["seconds"]
        if first:
            held["seconds"][second] = (high, low, volume)
        else:
            held["restated"] = True
        return first

    def compare(self, idx: int, bar: Bar) -> Known:
        held = self.slots.get((idx, bar.t // MINUTE_MS % RING))
        if held is not None and held["minute"] > bar.t // MINUTE_MS:
            return Known.UNKNOWN
        if held is None or held["minute"] < bar.t // MINUTE_MS or not held["seconds"]:
            return Known.NO_SECONDS
        seconds = held["seconds"].values()
        sums = (max(h for h, _, _ in seconds), min(low for _, low, _ in seconds), sum(v for _, _, v in seconds))
        return Known.SAME if held["restated"] or sums == (bar.h, bar.l, bar.v) else Known.DIFFERS


def test_a_second_is_new_once() -> None:
    minutes = Minutes(4)
    assert add(minutes, [(0, 5, 110, 90, 1), (0, 6, 110, 90, 1), (1, 5, 110, 90, 1)]) == [True, True, True]
    assert add(minutes, [(0, 5, 110, 90, 1), (1, 6, 110, 90, 1)]) == [False, True]


def test_a_second_told_twice_in_one_batch_is_new_once() -> None:
    minutes = Minutes(4)
    assert add(minutes, [(0, 5, 110, 90, 1), (0, 5, 120, 90, 2), (0, 5, 110, 90, 1)]) == [True, False, False]
    assert minutes.compare(0, minute(0, volume=99)) is Known.SAME  # restated: the sums no longer prove a difference


@pytest.mark.parametrize(
    ("bar", "known"),
    [
        (minute(0, 120, 80, 6), Known.SAME),
        (minute(0, 121, 80, 6), Known.DIFFERS),
        (minute(0, 120, 79, 6), Known.DIFFERS),
        (minute(0, 120, 80, 7), Known.DIFFERS),
        (minute(1, 120, 80, 6), Known.NO_SECONDS),
    ],
)
def test_a_minute_bar_is_compared_with_its_seconds(bar: Bar, known: Known) -> None:
    minutes = Minutes(4)
    add(minutes, [(0, 0, 110, 100, 1), (0, 30, 120, 90, 2), (0, 59, 105, 80, 3)])
    assert minutes.compare(0, bar) is known


def test_seconds_without_prices_count_as_seconds() -> None:
    minutes = Minutes(4)
    add(minutes, [(0, 0, np.nan, np.nan, 5), (0, 1, 110, 90, 5)])
    assert minutes.compare(0, minute(0)) is Known.SAME


def test_what_left_the_ring_is_unknown_not_absent() -> None:
    minutes = Minutes(4)
    add(minutes, [(0, 0, 110, 90, 1), (0, RING * 60, 110, 90, 1)])
    assert minutes.compare(0, minute(0)) is Known.UNKNOWN
    assert minutes.compare(0, minute(RING)) is Known.DIFFERS
    assert add(minutes, [(0, 1, 110, 90, 1)]) == [False]


def test_a_fill_is_told_to_its_second_bar_once() -> None:
    minutes = Minutes(4)
    minutes.fill(0, minute(0))
    add(minutes, [(0, 5, 110, 90, 1), (1, 5, 110, 90, 1)])
    idx, t = np.array([0, 1]), np.array([T + 5000, T + 5000])
    without, priced = np.array([False, False]), np.array([True, True])
    assert minutes.take_fills(idx, t, without).tolist() == [True, False]
    assert minutes.take_fills(idx, t, priced).tolist() == [True, False]
    assert minutes.take_fills(idx, t, priced).tolist() == [False, False]


def test_a_second_of_a_minute_that_left_the_ring_may_hold_a_fill() -> None:
    minutes = Minutes(4)
    minutes.fill(0, minute(0))
    add(minutes, [(0, RING * 60, 110, 90, 1)])
    assert minutes.take_fills(np.array([0]), np.array([T + 5000]), np.array([True])).tolist() == [True]


def test_more_symbols_make_it_grow_and_nothing_is_forgotten() -> None:
    minutes = Minutes(1)
    add(minutes, [(0, 0, 110, 90, 10)])
    minutes.grow(8)
    assert add(minutes, [(7, 0, 110, 90, 1), (0, 0, 110, 90, 10)]) == [True, False]
    assert minutes.compare(5, minute(0)) is Known.NO_SECONDS


def test_an_empty_batch_is_nothing() -> None:
    assert add(Minutes(1), []) == []


times = st.integers(0, 150) | st.integers(-3 * RING * 60, 3 * RING * 60)
seconds = st.tuples(st.integers(0, 3), times, st.integers(100, 120), st.integers(80, 99), st.integers(0, 9))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(seconds, max_size=25), max_size=6), st.lists(st.tuples(st.integers(0, 3), times), max_size=6))
def test_it_knows_what_the_definition_knows(batches: list[list[Second]], asked: list[tuple[int, int]]) -> None:
    minutes, plain = Minutes(4), Plain()
    for batch in batches:
        spans = [(T + s * 1000) // MINUTE_MS for _, s, _, _, _ in batch]
        in_order = list(range(len(batch)))
        if batch and max(spans) - min(spans) >= RING:
            in_order.sort(key=lambda n: spans[n])
        expected = {n: plain.add(*batch[n]) for n in in_order}
        assert add(minutes, batch) == [expected[n] for n in range(len(batch))]
    for idx, second in asked:
        bar = minute(second // 60, 120, 80, 5)
        assert minutes.compare(idx, bar) is plain.compare(idx, bar)
