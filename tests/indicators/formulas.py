"""Indicators written from their published formulas, candle by candle, without TA-Lib and without numpy's window functions.

Only for comparison: plain and slow. Lists in and out, NaN where there is no value. Exponential averages are seeded by the
mean of the first n values, which the publications leave open or (Wilder) prescribe.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from math import fsum, nan

Column = Sequence[float]


def sma(close: Column, n: int) -> list[float]:
    return [fsum(close[i - n + 1 : i + 1]) / n if i >= n - 1 else nan for i in range(len(close))]


def _smoothed(values: Column, n: int, weight: float, first: int = 0) -> list[float]:
    """Exponential average of values[first:], seeded by the mean of the first n of them."""
    out = [nan] * len(values)
    at = first + n - 1
    if at < len(values):
        out[at] = fsum(values[first : at + 1]) / n
        for i in range(at + 1, len(values)):
            out[i] = weight * values[i] + (1 - weight) * out[i - 1]
    return out


def ema(close: Column, n: int) -> list[float]:
    return _smoothed(close, n, 2 / (n + 1))


def wma(close: Column, n: int) -> list[float]:
    total = n * (n + 1) / 2
    return [
        fsum((k + 1) * close[i - n + 1 + k] for k in range(n)) / total if i >= n - 1 else nan for i in range(len(close))
    ]


def dema(close: Column, n: int) -> list[float]:
    once = ema(close, n)
    second = _smoothed(once, n, 2 / (n + 1), n - 1)
    return [2 * a - b for a, b in zip(once, second, strict=True)]


def bbands(close: Column, n: int, deviations: float) -> tuple[list[float], ...]:
    middle = sma(close, n)
    width = [
        deviations * math.sqrt(fsum((x - mean) ** 2 for x in close[i - n + 1 : i + 1]) / n) if i >= n - 1 else nan
        for i, mean in enumerate(middle)
    ]
    upper = [m + w for m, w in zip(middle, width, strict=True)]
    return upper, middle, [m - w for m, w in zip(middle, width, strict=True)]


def macd(close: Column, fast: int, slow: int, signal: int) -> tuple[list[float], ...]:
    # The fast average begins later, so that both seeds end at the same candle.
    quick = _smoothed(close, fast, 2 / (fast + 1), slow - fast)
    line = [a - b for a, b in zip(quick, ema(close, slow), strict=True)]
    average = _smoothed(line, signal, 2 / (signal + 1), slow - 1)
    shown = [nan if math.isnan(s) else x for x, s in zip(line, average, strict=True)]
    return shown, average, [x - s for x, s in zip(line, average, strict=True)]


def rsi(close: Column, n: int) -> list[float]:
    moves = [close[i] - close[max(i - 1, 0)] for i in range(len(close))]
    gains = _smoothed([max(m, 0.0) for m in moves], n, 1 / n, 1)
    losses = _smoothed([max(-m, 0.0) for m in moves], n, 1 / n, 1)
    return [100 * g / (g + x) if g + x > 1e-14 else nan for g, x in zip(gains, losses, strict=True)]


def stoch(high: Column, low: Column, close: Column, window: int, smooth: int, signal: int) -> tuple[list[float], ...]:
    raw = [nan] * len(close)
    for i in range(window - 1, len(close)):
        top, bottom = max(high[i - window + 1 : i + 1]), min(low[i - window + 1 : i + 1])
        raw[i] = 100 * (close[i] - bottom) / (top - bottom) if top > bottom else nan
    k = sma(raw, smooth)
    d = sma(k, signal)
    first = window + smooth + signal - 3
    return [nan if i < first else x for i, x in enumerate(k)], d


def true_range(high: Column, low: Column, close: Column) -> list[float]:
    """Of the first candle, which has no close before it, NaN."""
    return [
        nan,
        *(max(high[i] - low[i], abs(high[i] - close[i - 1]), abs(low[i] - close[i - 1])) for i in range(1, len(close))),
    ][: len(close)]


def atr(high: Column, low: Column, close: Column, n: int) -> list[float]:
    return _smoothed(true_range(high, low, close), n, 1 / n, 1)


def adx(high: Column, low: Column, close: Column, n: int, wilders_seed: bool = False) -> tuple[list[float], ...]:
    """ADX, +DI and -DI. Wilder begins his sums with n moves; TA-Lib with n - 1, which is forgotten after some candles."""
    up = [high[i] - high[max(i - 1, 0)] for i in range(len(high))]
    down = [low[max(i - 1, 0)] - low[i] for i in range(len(low))]
    plus = [u if u > d and u > 0 else 0.0 for u, d in zip(up, down, strict=True)]
    minus = [d if d > u and d > 0 else 0.0 for u, d in zip(up, down, strict=True)]
    moved = _wilder_sum(true_range(high, low, close), n, wilders_seed)
    plus_di, minus_di = (
        [100 * m / r if r > 1e-14 else 0.0 if r == r else nan for m, r in zip(sums, moved, strict=True)]
        for sums in (_wilder_sum(plus, n, wilders_seed), _wilder_sum(minus, n, wilders_seed))
    )
    index = [100 * abs(p - m) / (p + m) if p + m else nan for p, m in zip(plus_di, minus_di, strict=True)]
    return _average_index(index, n), plus_di, minus_di


def _average_index(index: Column, n: int) -> list[float]:
    """Wilder's average of index[n:]. Without any movement (0 / 0) a candle adds nothing: 0 in the seed, no step after it."""
    out = [nan] * len(index)
    for i in range(2 * n - 1, len(index)):
        if i == 2 * n - 1:
            out[i] = fsum(x for x in index[n : 2 * n] if x == x) / n
        else:
            out[i] = out[i - 1] + (index[i] - out[i - 1]) / n if index[i] == index[i] else out[i - 1]
    return out


def _wilder_sum(values: Column, n: int, wilders_seed: bool) -> list[float]:
    """Wilder's running sum of the values after the first: S - S / n + new."""
    out = [nan] * len(values)
    if len(values) <= n:
        return out
    total = fsum(values[1:n])
    out[n] = total + values[n] if wilders_seed else total - total / n + values[n]
    for i in range(n + 1, len(values)):
        out[i] = out[i - 1] - out[i - 1] / n + values[i]
    return out


def roc(close: Column, n: int) -> list[float]:
    return [100 * (close[i] / close[i - n] - 1) if i >= n else nan for i in range(len(close))]


def keltner(high: Column, low: Column, close: Column, n: int, range_n: int, width: float) -> tuple[list[float], ...]:
    ranges = atr(high, low, close, range_n)
    middle = [m + 0 * r for m, r in zip(ema(close, n), ranges, strict=True)]
    upper = [m + width * r for m, r in zip(middle, ranges, strict=True)]
    return upper, middle, [m - width * r for m, r in zip(middle, ranges, strict=True)]


def donchian(high: Column, low: Column, n: int) -> tuple[list[float], ...]:
    rows = range(len(high))
    upper = [max(high[i - n + 1 : i + 1]) if i >= n - 1 else nan for i in rows]
    lower = [min(low[i - n + 1 : i + 1]) if i >= n - 1 else nan for i in rows]
    return upper, [(u + x) / 2 for u, x in zip(upper, lower, strict=True)], lower


def supertrend(high: Column, low: Column, close: Column, n: int, width: float) -> tuple[list[float], ...]:
    line, direction = [nan] * len(close), [nan] * len(close)
    upper = lower = nan
    trend = 1.0
    for i, average in enumerate(atr(high, low, close, n)):
        if math.isnan(average):
            continue
        middle = (high[i] + low[i]) / 2
        top, bottom = middle + width * average, middle - width * average
        upper = top if not top >= upper or close[i - 1] > upper else upper
        lower = bottom if not bottom <= lower or close[i - 1] < lower else lower
        if trend < 0 and close[i] > upper:
            trend = 1.0
        elif trend > 0 and close[i] < lower:
            trend = -1.0
        line[i], direction[i] = (lower if trend > 0 else upper), trend
    return line, direction


def obv(close: Column, volume: Column) -> list[float]:
    out = list(volume[:1])
    for i in range(1, len(close)):
        sign = (close[i] > close[i - 1]) - (close[i] < close[i - 1])
        out.append(out[-1] + sign * volume[i])
    return out


def vwap(high: Column, low: Column, close: Column, volume: Column, notional: Column, session: Column) -> list[float]:
    out = []
    money: list[float] = []
    shares: list[float] = []
    for i, traded in enumerate(_traded(high, low, close, volume, notional)):
        if i and session[i] != session[i - 1]:
            money, shares = [], []
        money.append(traded)
        shares.append(volume[i])
        out.append(_ratio(fsum(money), fsum(shares)))
    return out


def vwap_rolling(high: Column, low: Column, close: Column, volume: Column, notional: Column, n: int) -> list[float]:
    money = _traded(high, low, close, volume, notional)
    return [
        _ratio(fsum(money[i - n + 1 : i + 1]), fsum(volume[i - n + 1 : i + 1])) if i >= n - 1 else nan
        for i in range(len(close))
    ]


def rvol(volume: Column, clock: Column, sessions: int) -> list[float]:
    before: dict[float, list[float]] = {}
    out = []
    for shares, time_of_day in zip(volume, clock, strict=True):
        usual = before.setdefault(time_of_day, [])
        last = usual[-sessions:]
        out.append(_ratio(shares, fsum(last) / len(last)) if last else nan)
        usual.append(shares)
    return out


def _traded(high: Column, low: Column, close: Column, volume: Column, notional: Column) -> list[float]:
    return [
        v * (h + x + c) / 3 if math.isnan(m) else m
        for h, x, c, v, m in zip(high, low, close, volume, notional, strict=True)
    ]


def _ratio(above: float, below: float) -> float:
    return above / below if below > 0 else nan
