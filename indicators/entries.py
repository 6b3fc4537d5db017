"""All indicators: one entry of INDICATORS is all that a new one needs. docs/indicators.md gives the formulas."""

from __future__ import annotations

from typing import Final

from indicators import averages, channels, oscillators, volume
from indicators.convergence import OLDEST, dema_reach, ema_reach, wilder_reach
from indicators.indicator import DIRECTION, INDEX, PERCENT, RATIO, SHARES, Indicator, Output, Parameter

_CLOSE: Final = ("close",)
_RANGE: Final = ("high", "low", "close")
_TRADED: Final = ("high", "low", "close", "volume", "notional")
_BANDS: Final = (Output("upper"), Output("middle"), Output("lower"))


def _window(default: int, low: int = 1, name: str = "window") -> Parameter:
    return Parameter(name, default, low)


def _width(name: str, default: float) -> Parameter:
    return Parameter(name, default, low=0.1, high=20, whole=False)


def _macd_check(fast: int, slow: int, signal: int) -> str:
    return "" if fast < slow else f"fast ({fast}) must be less than slow ({slow})"


INDICATORS: Final[dict[str, Indicator]] = {
    "sma": Indicator(
        "Simple moving average: the mean of the last closes.",
        averages.sma,
        _CLOSE,
        (_window(20),),
        warm_up=lambda n: n - 1,
        reach=lambda n: n - 1,
    ),
    "ema": Indicator(
        "Exponential moving average: newer closes weigh more.",
        averages.ema,
        _CLOSE,
        (_window(20),),
        warm_up=lambda n: n - 1,
        reach=ema_reach,
    ),
    "wma": Indicator(
        "Linearly weighted moving average: weights fall evenly with age.",
        averages.wma,
        _CLOSE,
        (_window(20),),
        warm_up=lambda n: n - 1,
        reach=lambda n: n - 1,
    ),
    "dema": Indicator(
        "Double exponential moving average: an EMA with less lag.",
        averages.dema,
        _CLOSE,
        (_window(20),),
        warm_up=lambda n: 2 * (n - 1),
        reach=dema_reach,
    ),
    "bbands": Indicator(
        "Bollinger bands: a simple average and so many standard deviations above and below it.",
        averages.bbands,
        _CLOSE,
        (_window(20, low=2), _width("deviations", 2)),
        warm_up=lambda n, deviations: n - 1,
        reach=lambda n, deviations: n - 1,
        outputs=_BANDS,
    ),
    "macd": Indicator(
        "MACD: a fast minus a slow exponential average, its own average (signal), and the difference of both (hist).",
        oscillators.macd,
        _CLOSE,
        (_window(12, 2, "fast"), _window(26, 2, "slow"), _window(9, 1, "signal")),
        warm_up=lambda fast, slow, signal: slow + signal - 2,
        reach=lambda fast, slow, signal: ema_reach(slow) + ema_reach(signal),
        outputs=(Output(), Output("signal"), Output("hist")),
        check=_macd_check,
    ),
    "rsi": Indicator(
        "Relative strength index: the share of gains in all changes; above 70 is called overbought, below 30 oversold.",
        oscillators.rsi,
        _CLOSE,
        (_window(14, low=2),),
        warm_up=lambda n: n,
        reach=wilder_reach,
        outputs=(Output("", INDEX),),
    ),
    "stoch": Indicator(
        "Slow stochastic: where the close lies in the range of the last candles, smoothed (k), and its average (d).",
        oscillators.stoch,
        _RANGE,
        (_window(14), _window(3, name="smooth"), _window(3, name="signal")),
        warm_up=lambda window, smooth, signal: window + smooth + signal - 3,
        reach=lambda window, smooth, signal: window + smooth + signal - 3,
        outputs=(Output("k", INDEX), Output("d", INDEX)),
    ),
    "adx": Indicator(
        "Average directional index: how strong a trend is, with the strength of its ups (plus_di) and downs (minus_di).",
        oscillators.adx,
        _RANGE,
        (_window(14, low=2),),
        warm_up=lambda n: 2 * n - 1,
        reach=lambda n: 2 * wilder_reach(n),
        outputs=(Output("", INDEX), Output("plus_di", INDEX), Output("minus_di", INDEX)),
    ),
    "roc": Indicator(
        "Rate of change: the close against that of so many candles ago.",
        oscillators.roc,
        _CLOSE,
        (_window(10),),
        warm_up=lambda n: n,
        reach=lambda n: n,
        outputs=(Output("", PERCENT),),
    ),
    "atr": Indicator(
        "Average true range: how far the price moves in a candle, gaps included.",
        channels.atr,
        _RANGE,
        (_window(14),),
        warm_up=lambda n: n,
        reach=wilder_reach,
    ),
    "keltner": Indicator(
        "Keltner channel: an exponential average and so many average true ranges above and below it.",
        channels.keltner,
        _RANGE,
        (_window(20), _window(10, name="range_window"), _width("width", 2)),
        warm_up=lambda n, range_n, width: max(n - 1, range_n),
        reach=lambda n, range_n, width: max(ema_reach(n), wilder_reach(range_n)),
        outputs=_BANDS,
    ),
    "donchian": Indicator(
        "Donchian channel: the highest high and the lowest low of the last candles, and their mean.",
        channels.donchian,
        ("high", "low"),
        (_window(20),),
        warm_up=lambda n: n - 1,
        reach=lambda n: n - 1,
        outputs=_BANDS,
    ),
    "supertrend": Indicator(
        "Supertrend: a trailing stop by average true ranges, and the direction that it stands for.",
        channels.supertrend,
        _RANGE,
        (_window(10, low=2), _width("width", 3)),
        warm_up=lambda n, width: n,
        reach=lambda n, width: OLDEST,
        outputs=(Output(), Output("direction", DIRECTION)),
        converged=channels.supertrend_converged,
    ),
    "obv": Indicator(
        "On-balance volume: volume of rising minus volume of falling candles since the oldest stored one.",
        volume.obv,
        ("close", "volume"),
        (),
        warm_up=lambda: 0,
        reach=lambda: OLDEST,
        outputs=(Output("", SHARES),),
    ),
    "vwap": Indicator(
        "Volume-weighted average price since the start of the session (the New York day; 09:30 with session=regular).",
        volume.vwap,
        (*_TRADED, "session"),
        (),
        warm_up=lambda: 0,
        reach=lambda: 0,
        whole_session=True,
        converged=volume.vwap_converged,
    ),
    "vwap_rolling": Indicator(
        "Volume-weighted average price of the last candles.",
        volume.vwap_rolling,
        _TRADED,
        (_window(20),),
        warm_up=lambda n: n - 1,
        reach=lambda n: n - 1,
    ),
    "rvol": Indicator(
        "Relative volume: a candle's volume against its mean at the same time of day in so many sessions before.",
        volume.rvol,
        ("volume", "clock"),
        (Parameter("sessions", 20, low=1, high=250),),
        warm_up=lambda sessions: 0,
        reach=lambda sessions: OLDEST,
        outputs=(Output("", RATIO),),
        converged=volume.rvol_converged,
    ),
}  # fmt: skip
