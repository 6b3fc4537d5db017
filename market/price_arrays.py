"""`market.price` for many prices at once: the same results, in a tenth of the time."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from market.price import SCALE, TRUSTED, notional, ticks

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def ticks_of(prices: Floats) -> Ints:
    """Each price in ticks. Their products with SCALE must be below 2**63."""
    return _rounded(prices * SCALE, lambda row: ticks(float(prices[row])))


def notionals_of(prices: Floats, sizes: Floats) -> Ints:
    """Each ``price x size`` in ticks. Their products with SCALE must be below 2**63."""
    return _rounded(prices * sizes * SCALE, lambda row: notional(float(prices[row]), float(sizes[row])))


def _rounded(scaled: Floats, patiently: Callable[[int], int]) -> Ints:
    whole = np.rint(scaled)
    found = whole.astype(np.int64)
    doubtful = (np.abs(scaled - whole) >= 0.4999) | (np.abs(scaled) >= TRUSTED)
    if np.count_nonzero(doubtful):
        for row in np.flatnonzero(doubtful).tolist():
            found[row] = patiently(row)
    return found
