"""Windows and cooldowns are measured on the bars' own clock, so a replay of another year spikes as it did live."""

import numpy as np

from indicators.velocity import Detector

LIVE, YEARS_AGO = 1_760_104_800_000, 1_514_903_400_000


def spikes(start: int, *closes: tuple[int, float]) -> list[int]:
    """Seconds after `start` at which a spike was found."""
    detector = Detector(window_s=5, threshold=0.5, cooldown_s=300)
    detector.set_previous_close("F", 100.0)
    found = []
    for second, close in closes:
        update = detector.update(np.array([0]), np.array([start + second * 1000]), np.array([close]))
        found += [(spike.t - start) // 1000 for spike in update.spikes]
    return found


def test_half_a_percent_in_five_seconds_then_five_minutes_of_quiet() -> None:
    moves = (0, 100.0), (5, 100.5), (10, 101.5), (299, 101.5), (304, 103.0), (310, 103.0), (315, 104.0)
    assert spikes(LIVE, *moves) == spikes(YEARS_AGO, *moves) == [5, 315]


def test_the_first_seconds_of_a_symbol_raise_nothing() -> None:
    assert spikes(LIVE, (0, 100.0), (1, 200.0), (4, 50.0)) == []
