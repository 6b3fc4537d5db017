"""The velocity detector: its definition, what is stale or unknown, the cooldown, late and restated bars."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from indicators.velocity import Detector, Spike, Update

T = 1_760_103_000_000  # a Friday, 09:30 in New York


def feed(detector: Detector, *bars: tuple[int, float], idx: int = 0) -> list[Update]:
    """One batch per (second, close), all of one symbol."""
    return [detector.update(np.array([idx]), np.array([T + s * 1000]), np.array([float(c)])) for s, c in bars]


def velocities(detector: Detector, *bars: tuple[int, float], idx: int = 0) -> list[float | None]:
    found = [float(each.velocity[0]) for each in feed(detector, *bars, idx=idx)]
    return [None if math.isnan(v) else round(v, 9) for v in found]


def spikes(detector: Detector, *bars: tuple[int, float], idx: int = 0) -> list[int]:
    """The seconds at which spikes were raised."""
    return [(spike.t - T) // 1000 for each in feed(detector, *bars, idx=idx) for spike in each.spikes]


def a_detector(**settings: Any) -> Detector:
    detector = Detector(**settings)
    for symbol in ("S00", "S01", "S02"):
        detector.index(symbol)
    return detector


def test_symbols_are_numbered_at_first_sight() -> None:
    detector = Detector()
    assert [detector.index(symbol) for symbol in ("A", "B", "A", "BRK.B")] == [0, 1, 0, 2]
    assert detector.symbols == ["A", "B", "BRK.B"]
    assert np.isnan(detector.velocity).tolist() == [True] * 3


def test_change_over_the_window_in_percent_of_its_start() -> None:
    detector = a_detector(threshold=50)
    assert velocities(detector, (0, 100), (4, 101), (5, 102), (6, 103), (9, 101)) == [None, None, 2, 3, 0]


def test_percent_of_the_previous_close_where_one_is_known() -> None:
    detector = a_detector()
    detector.set_previous_close("S00", 200)
    detector.set_previous_close(1, 50)
    bars = ((0, 100), (5, 101))
    assert [velocities(detector, *bars, idx=idx)[1] for idx in (0, 1, 2)] == [0.5, 2, 1]


def test_a_new_day_has_new_previous_closes() -> None:
    detector = a_detector()
    detector.set_previous_close("S00", 200)
    feed(detector, (0, 100))
    assert velocities(detector, (5, 101)) == [0.5]
    detector.set_previous_close("S00", 404)
    assert velocities(detector, (10, 103.02)) == [0.5]


@pytest.mark.parametrize("price", [None, 0, -1, math.nan, math.inf])
def test_a_previous_close_that_is_none_leaves_the_start_of_the_window(price: float | None) -> None:
    detector = a_detector()
    detector.set_previous_close("S00", 200)
    detector.set_previous_close("S00", price)
    assert velocities(detector, (0, 100), (5, 101)) == [None, 1]


def test_previous_closes_of_symbols_not_seen_yet() -> None:
    detector = Detector()
    detector.set_previous_close("NEW", 400)
    assert velocities(detector, (0, 100), (5, 101), idx=detector.index("NEW")) == [None, 0.25]


def test_base_window_start_ignores_previous_closes() -> None:
    detector = a_detector(base="window_start")
    detector.set_previous_close("S00", 200)
    assert velocities(detector, (0, 100), (5, 101)) == [None, 1]


def test_the_first_seconds_of_a_symbol_raise_nothing() -> None:
    assert spikes(a_detector(), (0, 100), (1, 150), (4, 200), (5, 201)) == [5]


def test_a_stale_reference_raises_nothing() -> None:
    detector = a_detector(max_age_s=30)
    assert velocities(detector, (0, 100), (35, 110)) == [None, 10]
    detector = a_detector(max_age_s=30)
    assert velocities(detector, (0, 100), (36, 110), (40, 111), (41, 112.2)) == [None, None, None, 2]
    detector = a_detector(max_age_s=0)
    assert velocities(detector, (0, 100), (5, 110), (11, 120)) == [None, 10, None]


def test_missing_seconds_take_the_newest_close_before_the_window() -> None:
    detector = a_detector(threshold=50)
    assert velocities(detector, (0, 100), (1, 200), (7, 201), (8, 202), (12, 402)) == [None, None, 0.5, 1, 100]


def test_exactly_the_threshold_is_a_spike_in_real_prices() -> None:
    for cents in range(2_000, 60_000, 200):
        start, end = cents / 100, (cents + cents // 200) / 100
        assert spikes(a_detector(), (0, start), (5, end)) == [5], (start, end)
        assert spikes(a_detector(), (0, start), (5, end - 0.0001)) == []


def test_what_a_spike_tells() -> None:
    detector = a_detector()
    detector.set_previous_close("S01", 80)
    raised = feed(detector, (0, 100), (5, 99), idx=1)
    assert raised[1].spikes == [Spike(1, T + 5000, -1.25, 99.0, 100.0)]


def test_cooldown_is_event_time_per_symbol_and_direction() -> None:
    detector = a_detector(cooldown_s=300)
    moves = [(0, 100), (5, 101), (6, 101), (11, 99), (12, 99), (17, 101)]
    assert spikes(detector, *moves) == [5, 11]
    assert spikes(detector, *moves, idx=1) == [5, 11]
    flat = [(s, 101) for s in range(18, 300)]
    assert spikes(detector, *flat) == []
    assert spikes(detector, (300, 102), (304, 102), (305, 103)) == [305]


def test_no_cooldown() -> None:
    assert spikes(a_detector(cooldown_s=0), (0, 100), (5, 101), (5, 102), (6, 103)) == [5, 5, 6]


def test_a_late_spike_inside_the_cooldown_of_a_later_one_is_suppressed() -> None:
    detector = a_detector(cooldown_s=3, threshold=5)
    assert spikes(detector, (0, 100), (8, 110), (6, 110), (4, 100), (5, 110)) == [8, 5]
    assert spikes(detector, (10, 110), (9, 116)) == []


def test_a_restated_bar_is_judged_inside_the_window_only() -> None:
    detector = a_detector()
    feed(detector, (0, 100), (5, 100), (9, 100))
    assert spikes(detector, (5, 102)) == [5]
    detector = a_detector()
    feed(detector, (0, 100), (5, 100), (10, 100))
    assert spikes(detector, (5, 102)) == []
    assert velocities(detector, (5, 102)) == [None]


def test_late_and_restated_bars_become_references() -> None:
    detector = a_detector(threshold=50)
    feed(detector, (0, 100), (20, 100))
    assert velocities(detector, (14, 80), (19, 88), (20, 120), (24, 132)) == [None, 10, 50, 50]
    feed(detector, (20, 100))
    assert velocities(detector, (25, 130)) == [30]


def test_a_bar_older_than_all_that_is_held_changes_nothing() -> None:
    detector = a_detector(window_s=2)
    feed(detector, *[(s, 100) for s in range(10)])
    assert velocities(detector, (1, 500)) == [None]
    assert velocities(detector, (10, 101), (11, 102)) == [1, 2]


def test_the_current_velocity_follows_late_bars() -> None:
    detector = a_detector(threshold=50)
    feed(detector, (0, 100), (10, 110))
    assert (detector.velocity[0], detector.newest_t[0]) == (10, T + 10_000)
    feed(detector, (5, 88))
    assert (detector.velocity[0], detector.newest_t[0]) == (25, T + 10_000)
    feed(detector, (10, 66))
    assert (detector.velocity[0], detector.newest_t[0]) == (-25, T + 10_000)


@pytest.mark.parametrize("close", [math.nan, 0.0, -1.0, math.inf])
def test_closes_that_are_no_price_are_left_out(close: float) -> None:
    detector = a_detector()
    idx, t = np.array([0, 1, 2]), np.array([T, T, T])
    detector.update(idx, t, np.array([100.0, close, 100.0]))
    found = detector.update(idx, t + 5000, np.array([close, 101.0, 101.0]))
    assert [None if math.isnan(v) else v for v in found.velocity] == [None, None, 1.0]
    assert [spike.idx for spike in found.spikes] == [2]


def test_an_empty_batch() -> None:
    found = Detector().update(np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))
    assert len(found.velocity) == 0
    assert found.spikes == []


def test_spikes_come_in_the_order_of_the_batch() -> None:
    detector = a_detector(cooldown_s=0)
    idx, t = np.array([2, 0, 1, 0, 2]), T + 1000 * np.array([5, 6, 5, 5, 7])
    for symbol in range(3):
        feed(detector, (0, 100), idx=symbol)
    found = detector.update(idx, t, np.array([101.0, 102, 103, 104, 105]))
    assert [(s.idx, s.t, s.close) for s in found.spikes] == list(
        zip(idx.tolist(), t.tolist(), [101.0, 102, 103, 104, 105], strict=True)
    )


@pytest.mark.parametrize("bad", [{"base": "close"}, {"window_s": 0}, {"threshold": 0}, {"threshold": math.nan}])
def test_settings_that_mean_nothing(bad: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="velocity"):
        Detector(**bad)


@pytest.mark.parametrize("seconds_a_batch", [1, 7, 2400])
@pytest.mark.parametrize("scale", [1, 10_000])
def test_three_moves_and_a_drift(seconds_a_batch: int, scale: int) -> None:
    """30 flat symbols: one moves 0.8 % three times, twice inside one cooldown; another drifts by 3 %."""
    seconds, symbols = np.arange(2400), 30
    closes = np.full((len(seconds), symbols), 100.0)
    moved = ((seconds >= 600) & (seconds < 606)) | ((seconds >= 612) & (seconds < 618)) | (seconds >= 1800)
    closes[moved, 7] += 0.8
    closes[:, 9] += np.minimum(3.0, seconds * 0.002)
    detector = Detector()
    idx = np.array([detector.index(f"S{k:02d}") for k in range(symbols)])
    raised: list[Spike] = []
    peak = 0.0
    for begin in range(0, len(seconds), seconds_a_batch):
        part = seconds[begin : begin + seconds_a_batch]
        found = detector.update(
            np.tile(idx, len(part)), np.repeat(T + part * 1000, symbols), closes[part].ravel() * scale
        )
        raised += found.spikes
        peak = max(peak, np.nanmax(np.abs(found.velocity), initial=0.0))
    assert {spike.idx for spike in raised} == {7}
    assert [((s.t - T) // 1000, round(s.velocity, 3)) for s in raised] == [(600, 0.8), (606, -0.794), (1800, 0.8)]
    assert peak == pytest.approx(0.8)
