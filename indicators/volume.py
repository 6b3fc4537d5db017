"""Indicators of price and volume. Arrays of one length in and out, NaN where there is no value.

`notional` is price x volume of each candle, trade by trade, NaN where that is not known: then (high + low + close) / 3 x
volume stands for it. `session` is equal for candles of one session and ascends; `clock` is the time of day.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from indicators.talib_library import talib

Values = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


def obv(close: Values, volume: Values) -> tuple[Values, ...]:
    """On-balance volume: the sum of the volumes, those of falling closes negative; the first candle counts as rising.

    In shares. No warm-up, but its level depends on where the series begins: only its changes mean something. Source:
    TA-Lib OBV; J. Granville, 1963.
    """
    return (talib().OBV(close, volume),)


def vwap(
    high: Values, low: Values, close: Values, volume: Values, notional: Values, session: Ints
) -> tuple[Values, ...]:
    """Volume-weighted average price since the start of the candle's session: sum of notional / sum of volume.

    Unit of the prices. No warm-up; NaN before the session's first volume. Source: the tape's definition of VWAP.
    """
    traded = _notional(high, low, close, volume, notional)
    starts = np.flatnonzero(session[1:] != session[:-1]) + 1
    # Each session is summed on its own, so that what came before it takes none of its digits.
    sums = [np.concatenate([part.cumsum() for part in np.split(column, starts)]) for column in (traded, volume)]
    return (_ratio(*sums),)


def vwap_converged(high: Values, low: Values, close: Values, volume: Values, notional: Values, session: Ints) -> Flags:
    """Where the session is not the first one: of the first, candles before the oldest may be missing."""
    flags: Flags = session != session[0]
    return flags


def vwap_rolling(
    high: Values, low: Values, close: Values, volume: Values, notional: Values, n: int
) -> tuple[Values, ...]:
    """Volume-weighted average price of the last n candles: sum of notional / sum of volume.

    Unit of the prices. Warm-up n - 1 candles; NaN where none of them has volume. Source: as the session's VWAP; of typical
    prices it is the volume-weighted moving average (TA-Lib VWMA).
    """
    traded = _notional(high, low, close, volume, notional)
    return (_ratio(_window_sums(traded, n), _window_sums(volume, n)),)


def rvol(volume: Values, clock: Ints, sessions: int) -> tuple[Values, ...]:
    """Relative volume: a candle's volume / the mean volume of the candles at its time of day in the last `sessions`.

    A ratio, 1 is usual. A session without a candle at that time does not count; while fewer than `sessions` are held, those
    that are. NaN before the second session. Source: the scanners' definition (Trade Ideas, TradingView).
    """
    order, earlier = _same_time_of_day(clock)
    count = np.minimum(earlier, sessions)
    sums = np.r_[0.0, np.cumsum(volume[order])]
    end = np.arange(len(order))
    mean = (sums[end] - sums[end - count]) / np.maximum(count, 1)
    out = np.empty(len(volume))
    out[order] = _ratio(volume[order], mean)
    return (out,)


def rvol_converged(volume: Values, clock: Ints, sessions: int) -> Flags:
    """Where `sessions` earlier candles have the same time of day."""
    order, earlier = _same_time_of_day(clock)
    out = np.empty(len(volume), bool)
    out[order] = earlier >= sessions
    return out


def _same_time_of_day(clock: Ints) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """The rows sorted by time of day, and for each of these how many before it have the same one."""
    order = np.argsort(clock, kind="stable")
    sorted_clock = clock[order]
    first = np.searchsorted(sorted_clock, sorted_clock)
    return order, np.arange(len(order)) - first


def _notional(high: Values, low: Values, close: Values, volume: Values, notional: Values) -> Values:
    known = ~np.isnan(notional)
    return notional if known.all() else np.where(known, notional, (high + low + close) / 3 * volume)


def _window_sums(values: Values, n: int) -> Values:
    """Sums of the last n values, NaN before. Every window is summed on its own: no rounding is carried along."""
    out = np.full(len(values), np.nan)
    if n <= len(values):
        out[n - 1 :] = np.lib.stride_tricks.sliding_window_view(values, n).sum(axis=1)
    return out


def _ratio(above: Values, below: Values) -> Values:
    known = below > 0
    return np.where(known, above / np.where(known, below, 1.0), np.nan)
