"""Candlestick patterns and crossings at the candles of symbols."""

from __future__ import annotations

from typing import Any

import msgspec

from indicators.patterns import TITLES, find, reach
from indicators.registry import nearest
from market.price import SCALE
from redis_functions.read.lookback import Lookback, read_lookback
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.charts import MAX_ROWS, share
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.rows import by_symbol

_PRICES = ("open", "high", "low", "close")


class PatternAt(msgspec.Struct, gc=False):
    t: int
    pattern: str
    title: str
    value: int
    symbol: str | msgspec.UnsetType = msgspec.UNSET


def patterns(context: Context, q: p.Query) -> Any:
    symbols, names = q["symbol"], q["names"]
    limit = share(MAX_ROWS, len(symbols))
    found = read_lookback(context.redis, symbols, q["timeframe"], (q["from"], q["to"]), limit, reach(names), _PRICES)
    newest = share(q["limit"], len(symbols))
    return by_symbol(symbols, [_rows(part, names)[-newest:] for part in found], labels=q["labels"] == "1")


def _rows(part: Lookback, names: list[str]) -> list[PatternAt]:
    # In decimals, as `/candles` answers them: TA-Lib finds the same patterns in that answer.
    prices = {name: column / SCALE for name, column in part.inputs(_PRICES).items()}
    first = len(part.earlier)
    t = part.asked.t.tolist()
    return [PatternAt(t[row - first], name, TITLES[name], value) for row, name, value in find(prices, names, first)]


def catalog(context: Context, q: p.Query) -> Any:
    return [{"pattern": name, "title": title} for name, title in TITLES.items()]


def read_names(text: str) -> list[str]:
    """A comma list of patterns. Raises ValueError with all names and the nearest where one does not exist."""
    names = list(dict.fromkeys(part.strip() for part in text.split(",")))
    for name in names:
        if name not in TITLES:
            hint = nearest(name, TITLES)
            raise ValueError(f"{p.shown(name)} is not a pattern{hint}; known are {', '.join(TITLES)}")
    return names


_NAMES = p.Parameter(
    "names",
    "Only these, a comma list, such as `CDLENGULFING,golden_cross`; `/patterns/catalog` lists them.",
    read_names,
    default=list(TITLES),
    example="CDLENGULFING,golden_cross",
)
_ROW = {
    "t": {**schemas.TIME, "description": "start of the candle at which the pattern is complete"},
    "pattern": schemas.TEXT,
    "title": schemas.TEXT,
    "value": {"type": "integer", "description": "100 up, -100 down, 200 or -200 confirmed by a later candle"},
}

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/patterns",
        patterns,
        "Candlestick patterns and crossings",
        schemas.rows(schemas.record(_ROW, schemas.SYMBOL_OF_LIST)),
        (
            p.symbols(),
            p.timeframe(),
            _NAMES,
            *p.span(),
            p.limit(MAX_ROWS, MAX_ROWS, "The newest so many rows (of each symbol)."),
            p.labels(),
        ),
        "TA-Lib's 61 patterns, the golden and death cross (SMA 50 and 200) and MACD's crossings of its signal, at the newest "
        f"{MAX_ROWS:,} candles of `from`..`to`, ascending. 100 points up, -100 down; a doji points nowhere and has 100.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/patterns/catalog",
        catalog,
        "The patterns that can be asked for",
        schemas.rows(schemas.record({"pattern": schemas.TEXT, "title": schemas.TEXT})),
        description="TA-Lib's names, and those of the four signals, with a title in plain words.",
        tag="charts",
        store=False,
    ),
)
