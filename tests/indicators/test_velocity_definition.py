"""The detector against its definition: bar by bar over the whole history, and over the final series at once."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indicators.velocity import Detector
from indicators.velocity_series import velocity_series

T = 1_760_103_000_000


class Plain:
    """The definition without a bound on memory: all bars, symbol by symbol."""

    def __init__(self, window_s: int, threshold: float, cooldown_s: int, base: str, max_age_s: int) -> None:
        self.window, self.threshold, self.cooldown = window_s * 1000, threshold, cooldown_s * 1000
        self.base, self.max_age = base, max_age_s * 1000
        self.history: dict[int, dict[int, float]] = {}
        self.previous: dict[int, float] = {}
        self.fired: dict[tuple[int, bool], int] = {}

    def velocity(self, idx: int, t: int) -> float:
        bars = self.history[idx]
        before = max((other for other in bars if other <= t - self.window), default=None)
        if before is None or t - before > self.window + self.max_age:
            return math.nan
        base = self.previous.get(idx, bars[before]) if self.base == "previous_close" else bars[before]
        return (bars[t] - bars[before]) * 100 / base

    def take(self, idx: int, t: int, close: float) -> tuple[float, bool]:
        """Velocity, and whether it is a spike."""
        bars = self.history.setdefault(idx, {})
        bars[t] = close
        if max(bars) - t >= self.window:
            return math.nan, False
        velocity = self.velocity(idx, t)
        if not abs(velocity) >= self.threshold - 1e-9:
            return velocity, False
        subject = (idx, velocity > 0)
        last = self.fired.get(subject)
        if last is not None and abs(t - last) < self.cooldown:
            return velocity, False
        self.fired[subject] = t if last is None else max(t, last)
        return velocity, True


def compare(stream: list[tuple[int, int, float]], sizes: list[int], previous: dict[int, float], **config: Any) -> int:
    """Feeds `stream` in batches of the `sizes` in turn and one by one to the definition; the number of spikes."""
    detector, plain = Detector(**config), Plain(**config)
    for idx in range(max((idx for idx, _, _ in stream), default=-1) + 1):
        detector.index(f"S{idx}")
    raised, at, turn = 0, 0, 0
    while at < len(stream):
        batch = stream[at : at + sizes[turn % len(sizes)]]
        at, turn = at + len(batch), turn + 1
        idx, t, close = (np.array(column) for column in zip(*batch, strict=True))
        found = detector.update(idx, t, close.astype(float))
        expected = [plain.take(*bar) for bar in batch]
        np.testing.assert_allclose(found.velocity, [v for v, _ in expected], rtol=1e-12, atol=1e-12)
        spikes = [bar for bar, (_, spike) in zip(batch, expected, strict=True) if spike]
        assert [(s.idx, s.t, s.close) for s in found.spikes] == spikes
        raised += len(spikes)
        for symbol, bars in plain.history.items():
            newest = max(bars)
            assert detector.newest_t[symbol] == newest
            np.testing.assert_allclose(
                detector.velocity[symbol], plain.velocity(symbol, newest), rtol=1e-12, atol=1e-12
            )
        if turn == 2:
            plain.previous = dict(previous)
            for symbol, price in previous.items():
                detector.set_previous_close(f"S{symbol}", price)
            # Known from now on: velocities returned before are not returned again.
            for symbol, bars in plain.history.items():
                detector.update(np.array([symbol]), np.array([max(bars)]), np.array([bars[max(bars)]]))
                plain.take(symbol, max(bars), bars[max(bars)])
    return raised


configs = st.fixed_dictionaries(
    {
        "window_s": st.integers(1, 6),
        "threshold": st.sampled_from([0.5, 1.0, 5.0]),
        "cooldown_s": st.integers(0, 12),
        "base": st.sampled_from(["previous_close", "window_start"]),
        "max_age_s": st.integers(0, 9),
    }
)


@st.composite
def streams(draw: st.DrawFn) -> list[tuple[int, int, float]]:
    """Bars of up to eight symbols, each a step ahead of, beside or behind the newest of its symbol."""
    steps = draw(st.lists(st.tuples(st.integers(0, 7), st.integers(-14, 10), st.integers(95, 105)), max_size=60))
    newest: dict[int, int] = {}
    stream = []
    for idx, step, close in steps:
        second = newest.get(idx, 50) + step
        newest[idx] = max(newest.get(idx, second), second)
        stream.append((idx, T + second * 1000, float(close)))
    return stream


@settings(max_examples=300, deadline=None)
@given(streams(), st.lists(st.integers(1, 25), min_size=1, max_size=5), configs)
def test_batches_equal_the_definition(stream: list[Any], sizes: list[int], config: dict[str, Any]) -> None:
    compare(stream, sizes, {0: 100.0, 1: 50.0, 5: 400.0}, **config)


@pytest.mark.parametrize("seed", range(4))
def test_long_streams_of_many_symbols(seed: int) -> None:
    rng = np.random.default_rng(seed)
    closes = np.full(150, 100.0)
    stream = []
    for second in range(60):
        for idx in rng.permutation(150)[: rng.integers(1, 150)]:
            closes[idx] *= 1 + rng.choice([0, 0, 0.001, -0.001, 0.02, -0.02])
            at = second - (rng.integers(1, 14) if rng.random() < 0.1 else 0)
            stream.append((int(idx), T + int(at) * 1000, float(closes[idx])))
    raised = compare(
        stream, [200, 40, 7], dict.fromkeys(range(0, 150, 2), 90.0),
        window_s=5, threshold=2.0, cooldown_s=20, base="previous_close", max_age_s=8,
    )  # fmt: skip
    assert raised > 50


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 12), st.floats(1, 1000)), min_size=1, max_size=80),
    st.integers(1, 60),
    st.integers(0, 30),
)
def test_in_order_it_is_an_as_of_join_of_the_final_series(gaps: list[Any], window_s: int, max_age_s: int) -> None:
    t = T + 1000 * np.cumsum([gap for gap, _ in gaps])
    close = np.array([price for _, price in gaps])
    before = np.searchsorted(t, t - window_s * 1000, side="right") - 1
    known = (before >= 0) & (t - t[before] <= (window_s + max_age_s) * 1000)
    expected = np.where(known, (close - close[before]) * 100 / close[before], np.nan)

    detector = Detector(window_s=window_s, max_age_s=max_age_s)
    idx = np.full(len(t), detector.index("X"))
    np.testing.assert_allclose(detector.update(idx, t, close).velocity, expected, rtol=1e-12, atol=1e-12)


def test_the_series_read_from_the_store_is_what_the_detector_saw() -> None:
    rng = np.random.default_rng(5)
    t = T + 1000 * np.cumsum(rng.choice([1, 1, 1, 2, 9, 40], 500))
    close = np.round(100 + np.cumsum(rng.normal(0, 0.1, 500)), 4)
    for previous in (None, 87.5):
        detector = Detector(window_s=5, max_age_s=30)
        idx = np.full(len(t), detector.index("X"))
        detector.set_previous_close("X", previous)
        seen = detector.update(idx, t, close).velocity
        base = np.full(len(t), np.nan if previous is None else previous)
        np.testing.assert_allclose(velocity_series(t, close, 5000, 30_000, base), seen, rtol=1e-12, atol=1e-12)
        assert 0 < np.isnan(seen).sum() < 300


def test_symbols_that_come_while_it_runs_do_not_disturb_the_others() -> None:
    detector = Detector(threshold=1)
    for second in range(300):
        detector.index(f"S{second}")
        idx = np.arange(second + 1)
        found = detector.update(idx, np.full(len(idx), T + second * 1000), 100.0 + idx + second)
        old = idx[: max(0, second - 4)]
        np.testing.assert_allclose(found.velocity[: len(old)], 500 / (100.0 + old + second - 5))
        assert np.isnan(found.velocity[len(old) :]).all()
    assert len(detector.velocity) == len(detector.newest_t) == 300
