"""Moving averages, numpy in and out; NaN where there are not yet enough values."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]


def sma(values: Values, n: int) -> Values:
    """Mean of the last `n` values (n >= 1). Its sums are exact for whole numbers below 2**53, such as ticks."""
    out = np.full(len(values), np.nan)
    if n <= len(values):
        sums = np.cumsum(values)
        out[n - 1] = sums[n - 1]
        out[n:] = sums[n:] - sums[:-n]
        out /= n
    return out


def sma_lookback(n: int) -> int:
    """Values needed before the first one that counts."""
    return n - 1


def ema(values: Values, n: int) -> Values:
    """Exponential moving average of weight 2 / (n + 1), seeded as TA-Lib does: the first `n` values' mean."""
    out = np.full(len(values), np.nan)
    if n > len(values):
        return out
    weight = 2.0 / (n + 1)
    average = float(np.mean(values[:n]))
    averages = [average]
    for value in values[n:].tolist():
        average += weight * (value - average)
        averages.append(average)
    out[n - 1 :] = averages
    return out


def ema_lookback(n: int) -> int:
    """Values after which what the seed was no longer matters: its weight (1 - 2 / (n + 1)) ** k is below 1e-9.

    Two averages of the same moment that began at different times then agree to nine digits.
    """
    if n == 1:
        return 0
    return n + math.ceil(math.log(1e-9) / math.log(1 - 2 / (n + 1)))
