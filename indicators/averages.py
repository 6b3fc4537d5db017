"""Moving averages and the bands around them. Arrays of one length in and out, NaN where there are too few candles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indicators.talib_library import talib

Values = npt.NDArray[np.float64]


def sma(close: Values, n: int) -> tuple[Values, ...]:
    """Simple moving average: the mean of the last n closes.

    Unit of the input. Warm-up n - 1 candles. For prices in whole ticks the sums are exact. Source: TA-Lib SMA.
    """
    return (talib().SMA(close, n),)


def ema(close: Values, n: int) -> tuple[Values, ...]:
    """Exponential moving average: E += 2 / (n + 1) * (close - E), seeded by the mean of the first n closes.

    Unit of the input. Warm-up n - 1 candles. Source: TA-Lib EMA.
    """
    return (talib().EMA(close, n),)


def wma(close: Values, n: int) -> tuple[Values, ...]:
    """Linearly weighted moving average: the newest close weighs n, the oldest 1, divided by n (n + 1) / 2.

    Unit of the input. Warm-up n - 1 candles. Source: TA-Lib WMA.
    """
    return (talib().WMA(close, n),)


def dema(close: Values, n: int) -> tuple[Values, ...]:
    """Double exponential moving average: 2 EMA - EMA(EMA), which lags less than EMA.

    Unit of the input. Warm-up 2 (n - 1) candles. Source: TA-Lib DEMA; P. Mulloy, Stocks & Commodities, January 1994.
    """
    return (talib().DEMA(close, n),)


def bbands(close: Values, n: int, deviations: float) -> tuple[Values, ...]:
    """Bollinger bands: upper, middle, lower = SMA + and - `deviations` times the population deviation of n closes.

    Unit of the input. Warm-up n - 1 candles. Source: TA-Lib BBANDS; J. Bollinger, Bollinger on Bollinger Bands.
    """
    # The deviation comes from sums of squares: of differences to a close nearby they are small, so they lose no digits.
    base = close[-1]
    upper, middle, lower = talib().BBANDS(close - base, n, deviations, deviations)
    return upper + base, middle + base, lower + base
