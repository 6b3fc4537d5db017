"""Candlestick patterns and crossings: at which candles they are complete, and which way they point.

The 61 patterns are TA-Lib's, under its names; what "long", "short", "near" or "doji" mean there is relative to averages of
the last 5 or 10 candles. A value is 100 (points up), -100 (points down), or 200 and -200 where a later candle confirmed it
(the two Hikkakes); a pattern that points nowhere, such as CDLDOJI, has 100. The four signals are crossings of two
indicators, 100 or -100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any, Final, NamedTuple

import numpy as np
import numpy.typing as npt

from indicators import averages, oscillators
from indicators.convergence import ema_reach
from indicators.talib_library import talib

Values = npt.NDArray[np.float64]
Marks = npt.NDArray[np.int32]

#: Candles before a row that decide the 61 patterns there.
CANDLES_REACH: Final = 40
_FAST, _SLOW = 50, 200
_MACD = (12, 26, 9)
#: Two lines that differ by less than this part of the price are equal: below it rounding decides.
_EQUAL = 1e-10

#: TA-Lib's names, in plain words.
TITLES: Final[dict[str, str]] = {
    "CDL2CROWS": "Two crows",
    "CDL3BLACKCROWS": "Three black crows",
    "CDL3INSIDE": "Three inside up or down",
    "CDL3LINESTRIKE": "Three-line strike",
    "CDL3OUTSIDE": "Three outside up or down",
    "CDL3STARSINSOUTH": "Three stars in the south",
    "CDL3WHITESOLDIERS": "Three advancing white soldiers",
    "CDLABANDONEDBABY": "Abandoned baby",
    "CDLADVANCEBLOCK": "Advance block: three rising candles that lose strength",
    "CDLBELTHOLD": "Belt hold: opens at its extreme and runs away from it",
    "CDLBREAKAWAY": "Breakaway",
    "CDLCLOSINGMARUBOZU": "Closing marubozu: closes at its extreme",
    "CDLCONCEALBABYSWALL": "Concealing baby swallow",
    "CDLCOUNTERATTACK": "Counterattack",
    "CDLDARKCLOUDCOVER": "Dark cloud cover",
    "CDLDOJI": "Doji: closes where it opened",
    "CDLDOJISTAR": "Doji star: a doji beyond a long candle",
    "CDLDRAGONFLYDOJI": "Dragonfly doji: a doji with a long lower shadow only",
    "CDLENGULFING": "Engulfing: the body covers the one before",
    "CDLEVENINGDOJISTAR": "Evening doji star",
    "CDLEVENINGSTAR": "Evening star",
    "CDLGAPSIDESIDEWHITE": "Two white candles side by side after a gap",
    "CDLGRAVESTONEDOJI": "Gravestone doji: a doji with a long upper shadow only",
    "CDLHAMMER": "Hammer: long lower shadow after a fall",
    "CDLHANGINGMAN": "Hanging man: long lower shadow after a rise",
    "CDLHARAMI": "Harami: the body lies inside the one before",
    "CDLHARAMICROSS": "Harami cross: a doji inside the body before",
    "CDLHIGHWAVE": "High wave: small body, very long shadows",
    "CDLHIKKAKE": "Hikkake: a false break of an inside candle",
    "CDLHIKKAKEMOD": "Modified hikkake",
    "CDLHOMINGPIGEON": "Homing pigeon",
    "CDLIDENTICAL3CROWS": "Three identical crows",
    "CDLINNECK": "In-neck",
    "CDLINVERTEDHAMMER": "Inverted hammer: long upper shadow after a fall",
    "CDLKICKING": "Kicking: two opposite marubozu with a gap",
    "CDLKICKINGBYLENGTH": "Kicking, direction by the longer marubozu",
    "CDLLADDERBOTTOM": "Ladder bottom",
    "CDLLONGLEGGEDDOJI": "Long-legged doji",
    "CDLLONGLINE": "Long candle",
    "CDLMARUBOZU": "Marubozu: a long body without shadows",
    "CDLMATCHINGLOW": "Matching low",
    "CDLMATHOLD": "Mat hold",
    "CDLMORNINGDOJISTAR": "Morning doji star",
    "CDLMORNINGSTAR": "Morning star",
    "CDLONNECK": "On-neck",
    "CDLPIERCING": "Piercing line",
    "CDLRICKSHAWMAN": "Rickshaw man: a long-legged doji in the middle of its range",
    "CDLRISEFALL3METHODS": "Rising or falling three methods",
    "CDLSEPARATINGLINES": "Separating lines",
    "CDLSHOOTINGSTAR": "Shooting star: long upper shadow after a rise",
    "CDLSHORTLINE": "Short candle",
    "CDLSPINNINGTOP": "Spinning top: small body, longer shadows",
    "CDLSTALLEDPATTERN": "Stalled pattern",
    "CDLSTICKSANDWICH": "Stick sandwich",
    "CDLTAKURI": "Takuri: a dragonfly doji with a very long lower shadow",
    "CDLTASUKIGAP": "Tasuki gap",
    "CDLTHRUSTING": "Thrusting",
    "CDLTRISTAR": "Tristar: three doji in a row",
    "CDLUNIQUE3RIVER": "Unique three-river bottom",
    "CDLUPSIDEGAP2CROWS": "Upside gap two crows",
    "CDLXSIDEGAP3METHODS": "Upside or downside gap three methods",
    "golden_cross": f"Golden cross: SMA {_FAST} rises above SMA {_SLOW}",
    "death_cross": f"Death cross: SMA {_FAST} falls below SMA {_SLOW}",
    "macd_buy": "MACD buy: MACD rises above its signal",
    "macd_sell": "MACD sell: MACD falls below its signal",
}


class Found(NamedTuple):
    """A pattern that is complete at candle `row`."""

    row: int
    pattern: str
    value: int


@dataclass(frozen=True)
class _Signal:
    """Where a line crosses another one, up (`value` 100) or down (-100)."""

    lines: Callable[[Values], tuple[Values, Values]]
    value: int
    reach: int


def _averages(close: Values) -> tuple[Values, Values]:
    return averages.sma(close, _FAST)[0], averages.sma(close, _SLOW)[0]


def _macd(close: Values) -> tuple[Values, Values]:
    line, signal, _ = oscillators.macd(close, *_MACD)
    return line, signal


_MACD_REACH = ema_reach(_MACD[1]) + ema_reach(_MACD[2]) + 1
_SIGNALS: Final = {
    "golden_cross": _Signal(_averages, 100, _SLOW),
    "death_cross": _Signal(_averages, -100, _SLOW),
    "macd_buy": _Signal(_macd, 100, _MACD_REACH),
    "macd_sell": _Signal(_macd, -100, _MACD_REACH),
}


def reach(names: Sequence[str]) -> int:
    """How many candles before a row decide which of the named patterns are complete there."""
    return max((_SIGNALS[name].reach if name in _SIGNALS else CANDLES_REACH for name in names), default=0)


def find(bars: Mapping[str, npt.NDArray[Any]], names: Sequence[str] = tuple(TITLES), first: int = 0) -> list[Found]:
    """The named patterns at rows `first` and later of the columns open high low close, ascending by row.

    A row in which a price is NaN is no candle: no pattern is complete at it, and the others are as if it were not there.
    Prices in decimals, as TA-Lib takes them: at the limits of a definition rounding decides, and so the answer is the same.
    """
    columns = [bars[name] for name in ("open", "high", "low", "close")]
    rows = np.arange(len(columns[0]))
    if math.isnan(sum(float(column.sum()) for column in columns)):
        rows = np.flatnonzero(~np.isnan(sum(columns)))
        columns = [column[rows] for column in columns]
    if not len(rows):
        return []
    begin = int(np.searchsorted(rows, first))
    shown = rows[begin:]
    found: list[Found] = []
    for name in names:
        marks = _marks(name, columns)[begin:]
        at = marks.nonzero()[0]
        found += map(Found, shown[at].tolist(), repeat(name), marks[at].tolist())
    return sorted(found, key=itemgetter(0))


def _marks(name: str, columns: Sequence[Values]) -> Marks:
    signal = _SIGNALS.get(name)
    if signal is None:
        marks: Marks = getattr(talib(), name)(*columns)
        return marks
    close = columns[-1]
    return np.where(crosses(*signal.lines(close), close, signal.value > 0), signal.value, 0).astype(np.int32)


def crosses(line: Values, other: Values, price: Values, up: bool) -> npt.NDArray[np.bool_]:
    """Where `line` is above `other` and was not one row before (`up`), or below and was not; never beside a NaN.

    A difference of less than 1e-10 of the price counts as none.
    """
    above = line - other if up else other - line
    tolerance = _EQUAL * np.abs(price)
    out = np.zeros(len(line), bool)
    out[1:] = (above[1:] > tolerance[1:]) & (above[:-1] <= tolerance[:-1])
    return out
