"""Momentum and trend strength. Arrays of one length in and out, NaN where there are too few candles."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indicators.talib_library import talib

Values = npt.NDArray[np.float64]

#: TA-Lib takes a divisor below this for zero.
_ZERO = 1e-14


def macd(close: Values, fast: int, slow: int, signal: int) -> tuple[Values, ...]:
    """Moving average convergence / divergence: EMA(fast) - EMA(slow); its EMA(signal); the difference of both.

    Unit of the input. Warm-up slow + signal - 2 candles for all three. The seeds of both averages end at the same candle,
    as in TA-Lib: this explains most differences to other programs in the first hundred candles. Source: TA-Lib MACD.
    """
    return tuple(talib().MACD(close, fast, slow, signal))


def rsi(close: Values, n: int) -> tuple[Values, ...]:
    """Relative strength index: 100 G / (G + L), G and L being Wilder's averages of the gains and losses.

    0 to 100. Warm-up n candles. NaN while no close has changed (0 / 0; TA-Lib gives 0, which reads as oversold).
    Source: TA-Lib RSI; J. W. Wilder, New Concepts in Technical Trading Systems, 1978.
    """
    values = talib().RSI(close, n)
    if (values == 0).any():
        moves = talib().RMA(np.abs(np.diff(close)), n)
        values[1:][moves < _ZERO] = np.nan
    return (values,)


def stoch(high: Values, low: Values, close: Values, window: int, smooth: int, signal: int) -> tuple[Values, ...]:
    """Slow stochastic: %K, the SMA(smooth) of 100 (close - lowest low) / (highest high - lowest low); %D, its SMA(signal).

    0 to 100. Warm-up window + smooth + signal - 3 candles for both. NaN where a window that goes into the value has no
    range (0 / 0; TA-Lib gives 0). Source: TA-Lib STOCH; G. Lane.
    """
    lib = talib()
    k, d = lib.STOCH(high, low, close, window, smooth, 0, signal, 0)
    if len(high) >= window:
        flat = lib.MAX(high, window) == lib.MIN(low, window) if window > 1 else high == low
        if flat.any():
            k[_any_of_last(flat, smooth)] = np.nan
            d[_any_of_last(flat, smooth + signal - 1)] = np.nan
    return k, d


def _any_of_last(flags: npt.NDArray[np.bool_], n: int) -> npt.NDArray[np.bool_]:
    """Where one of the last n flags is set."""
    count = np.cumsum(flags, dtype=np.int64)
    before = np.concatenate([np.zeros(min(n, len(flags)), np.int64), count[:-n]])
    return count > before


def adx(high: Values, low: Values, close: Values, n: int) -> tuple[Values, ...]:
    """Average directional index, the strength of a trend; +DI and -DI, the strength of its ups and downs.

    DI = 100 W(directional movement) / W(true range), ADX = W(100 |+DI - -DI| / (+DI + -DI)), W being Wilder's average.
    0 to 100. Warm-up 2 n - 1 candles (the DIs n). Source: TA-Lib ADX, PLUS_DI, MINUS_DI; Wilder, 1978.
    """
    lib = talib()
    return lib.ADX(high, low, close, n), lib.PLUS_DI(high, low, close, n), lib.MINUS_DI(high, low, close, n)


def roc(close: Values, n: int) -> tuple[Values, ...]:
    """Rate of change: 100 (close / close n candles ago - 1), in percent. Warm-up n candles. Source: TA-Lib ROC."""
    return (talib().ROC(close, n),)
