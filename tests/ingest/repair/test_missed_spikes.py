"""The spikes of a gap, compared with the live detector fed with the same bars."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from indicators.velocity import Detector
from ingest.repair.missed_spikes import find
from ingest.velocity_rule import VelocityConfig

T0 = 1_760_094_000_000
RULE = VelocityConfig(window_s=5, threshold=0.5, cooldown_s=30, max_age_s=30)
NOTHING: dict[str, list[int]] = {"up": [], "down": []}

WALKS = st.lists(st.tuples(st.integers(1, 12), st.integers(-90, 90)), min_size=1, max_size=80)


def walk(steps: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    t = T0 + np.cumsum([seconds for seconds, _ in steps]) * 1_000
    return t.astype(np.int64), 100.0 + np.cumsum([cents for _, cents in steps]) / 100


@given(WALKS, st.one_of(st.none(), st.floats(50, 200)))
def test_the_detector_would_have_raised_the_same(steps: list[tuple[int, int]], previous: float | None) -> None:
    t, close = walk(steps)
    detector = Detector(RULE.window_s, RULE.threshold, RULE.cooldown_s, RULE.base, RULE.max_age_s)
    detector.set_previous_close("A", previous)
    spikes = detector.update(np.zeros(len(t), np.int64), t, close).spikes
    base = None if previous is None else np.full(len(t), previous)
    assert find(t, close, base, T0, NOTHING, RULE) == [
        (s.t, "up" if s.velocity > 0 else "down", round(abs(s.velocity), 4)) for s in spikes
    ]


@given(WALKS, st.integers(0, 500))
def test_with_a_detector_that_missed_a_part_all_is_told_once(steps: list[tuple[int, int]], split: int) -> None:
    """Alerts raised live before the gap plus those named in its record equal those of one detector."""
    t, close = walk(steps)
    gap = T0 + split * 1_000
    whole = find(t, close, None, T0, NOTHING, RULE)
    live = find(t[t < gap], close[t < gap], None, T0, NOTHING, RULE)
    raised = {d: [at for at, direction, _ in live if direction == d] for d in ("up", "down")}
    assert live + find(t, close, None, gap, raised, RULE) == whole


def test_an_alert_that_was_raised_is_not_missed_and_one_after_it_does_not_count() -> None:
    t = T0 + np.array([0, 10, 60], np.int64) * 1_000
    close = np.array([100.0, 101.0, 101.0])
    rule = VelocityConfig(cooldown_s=0)
    at = T0 + 10_000
    assert find(t, close, None, T0, NOTHING, rule) == [(at, "up", 1.0)]
    assert find(t, close, None, T0, {"up": [at], "down": []}, rule) == []
    assert find(t, close, None, T0, {"up": [], "down": [at]}, rule) == [(at, "up", 1.0)]
    assert find(t, close, None, T0, {"up": [at + 1_000], "down": []}, RULE) == [(at, "up", 1.0)]
