"""Candles and what is computed from them."""

from __future__ import annotations

from typing import Any

from redis_functions.reader import read_candles
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.rows import candle_rows, merged

MAX_ROWS = 5_000
#: Rows of all symbols of a list together: each symbol's share is this by their number, if that is less than `limit`.
MAX_ROWS_TOGETHER = 50_000

_LIMIT_TEXT = (
    "The newest so many rows; of each symbol where there are several, but not more than "
    f"{MAX_ROWS_TOGETHER:,} by the number of symbols."
)


def share(limit: int, symbols: int) -> int:
    """Rows that each of so many symbols may have."""
    return min(limit, MAX_ROWS_TOGETHER // symbols)


def candles(context: Context, q: p.Query) -> Any:
    symbols = q["symbol"]
    limit = share(q["limit"], len(symbols))
    found = read_candles(context.redis, symbols, q["timeframe"], q["from"], q["to"], limit)
    if len(symbols) == 1:
        return candle_rows(found[0])
    return merged([(symbol, candle_rows(part)) for symbol, part in zip(symbols, found, strict=True)])


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/candles",
        candles,
        "Candles of a symbol, or of several",
        schemas.rows(schemas.record(schemas.CANDLE_MEMBERS, schemas.SYMBOL_OF_LIST)),
        (p.symbols(), p.timeframe(), *p.span(), p.limit(MAX_ROWS, MAX_ROWS, _LIMIT_TEXT)),
        "Those whose start lies in `from`..`to`, whole and ascending, the running one included; "
        "none where nothing traded. Timeframes that are not stored are made of the next smaller stored one.",
        "charts",
    ),
)
