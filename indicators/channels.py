"""Volatility, and channels made of it. Arrays of one length in and out, NaN where there are too few candles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indicators.convergence import wilder_reach
from indicators.talib_library import talib

Values = npt.NDArray[np.float64]

#: Of a value, by which two computations of it may differ and still be the same.
_SAME = 1e-9


def atr(high: Values, low: Values, close: Values, n: int) -> tuple[Values, ...]:
    """Average true range: Wilder's average of max(high, previous close) - min(low, previous close).

    Unit of the inputs. Warm-up n candles. Source: TA-Lib ATR; J. W. Wilder, 1978.
    """
    return (talib().ATR(high, low, close, n),)


def keltner(high: Values, low: Values, close: Values, n: int, range_n: int, width: float) -> tuple[Values, ...]:
    """Keltner channels: upper, middle, lower = EMA(n) of the close + and - `width` times ATR(range_n).

    Unit of the inputs. Warm-up max(n - 1, range_n) candles. Source: L. Raschke's form of C. Keltner's channels, as
    StockCharts' ChartSchool gives it. TA-Lib's KC is another: its middle is the EMA of (high + low + close) / 3.
    """
    lib = talib()
    reach = width * lib.ATR(high, low, close, range_n)
    middle = lib.EMA(close, n)
    middle[np.isnan(reach)] = np.nan
    return middle + reach, middle, middle - reach


def donchian(high: Values, low: Values, n: int) -> tuple[Values, ...]:
    """Donchian channel: upper, middle, lower = highest high, mean of both, lowest low of the last n candles.

    Unit of the inputs. The newest candle is among the n. Warm-up n - 1 candles. Source: R. Donchian.
    """
    if n == 1:
        return high.copy(), (high + low) / 2, low.copy()
    upper, lower = talib().MAX(high, n), talib().MIN(low, n)
    return upper, (upper + lower) / 2, lower


def supertrend(high: Values, low: Values, close: Values, n: int, width: float) -> tuple[Values, ...]:
    """Supertrend: the trailing stop, and its direction: 1 below the price (rising), -1 above it (falling).

    Bands (high + low) / 2 + and - width ATR(n); the upper one only falls until a close is above it, the lower one only
    rises until a close is below it; a close beyond the opposite band turns the direction, which begins as rising.
    Unit of the inputs. Warm-up n candles. Source: TA-Lib SUPERTREND (since 0.8); O. Seban.
    """
    line, direction = talib().SUPERTREND(high, low, close, n, width)
    return line, np.where(np.isnan(line), np.nan, direction)


def supertrend_converged(high: Values, low: Values, close: Values, n: int, width: float) -> npt.NDArray[np.bool_]:
    """Where leaving out the first candles, as many as the ATR's reach, leaves the line and its direction the same."""
    out = np.zeros(len(close), bool)
    first = wilder_reach(n)
    if len(close) > first:
        whole = supertrend(high, low, close, n, width)
        part = supertrend(high[first:], low[first:], close[first:], n, width)
        out[first:] = np.abs(whole[0][first:] - part[0]) <= _SAME * np.abs(part[0])
        out[first:] &= whole[1][first:] == part[1]
    return out
