"""Columns of the store as rows of JSON: decimal prices, null where unknown."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Annotated, Protocol, TypeVar

import msgspec
import numpy as np
from msgspec import Meta

from market.price import SCALE, vwap
from redis_functions.read.candles import CLOSE, HIGH, LOW, NOTIONAL, OPEN, VOLUME, Candles, all_known
from redis_functions.read.ranges import Values
from rest_bridge.answers import Answer, SymbolOfList, Time

Value = float | bool | None
Price = Annotated[float | None, Meta(description="null only with `ohlc=any`")]


# Structs are made in a third of the time that dicts take; `symbol` is written where it was set.


class Candle(Answer, gc=False):
    t: Annotated[int, Meta(description="start of the candle, epoch milliseconds UTC")]
    o: Price
    h: Price
    l: Price  # noqa: E741 - the field's own name
    c: Price
    v: Annotated[float, Meta(ge=0, description="volume; may be fractional")]
    vw: Annotated[float | None, Meta(description="volume-weighted average price; null where it is not known")]
    symbol: SymbolOfList | msgspec.UnsetType = msgspec.UNSET


class CandleAndColumns(Answer, forbid_unknown_fields=False):
    """A row of /indicators: a candle with members of further names, numbers, booleans or null; with `breaks` also rows that
    are no candles and have nulls."""

    t: Annotated[int, Meta(description="start of the candle, epoch milliseconds UTC")]
    o: float | None
    h: float | None
    l: float | None  # noqa: E741 - the field's own name
    c: float | None
    v: Annotated[float | None, Meta(description="volume; may be fractional")]
    vw: Annotated[float | None, Meta(description="volume-weighted average price; null where it is not known")]
    symbol: SymbolOfList | msgspec.UnsetType = msgspec.UNSET


class VelocityAt(Answer, gc=False):
    t: Time
    velocity: float | None
    symbol: SymbolOfList | msgspec.UnsetType = msgspec.UNSET


class Row(Protocol):
    """What rows of several symbols have in common."""

    t: int
    symbol: str | msgspec.UnsetType


R = TypeVar("R", bound=Row)


def candle_rows(candles: Candles) -> list[Candle]:
    return list(map(Candle, *candle_columns(candles)))


def candle_columns(candles: Candles) -> tuple[Sequence[Value], ...]:
    """t, o, h, l, c, v and vw."""
    columns = candles.fields[OPEN : CLOSE + 1] / SCALE
    prices: list[list[float | None]] = columns.tolist()
    if not all_known(columns):
        prices = [[None if v != v else v for v in column] for column in prices]
    volume = candles.fields[VOLUME]
    if not all_known(volume):
        volume = np.nan_to_num(volume)
    return (
        candles.t.tolist(),
        prices[OPEN],
        prices[HIGH],
        prices[LOW],
        prices[CLOSE],
        numbers(volume),
        vwaps(candles.fields[NOTIONAL], volume, candles.fields[LOW], candles.fields[HIGH]),
    )


def numbers(values: Values) -> list[int] | list[int | float]:
    """Whole numbers as int, others as float."""
    whole = values.astype(np.int64)
    if np.array_equal(whole, values):
        integers: list[int] = whole.tolist()
        return integers
    return [int(v) if v.is_integer() else v for v in values.tolist()]


def vwaps(notional: Values, volume: Values, low: Values, high: Values) -> list[float | None]:
    """Volume-weighted average prices; None without volume, and where a part had no notional (see market.price.vwap)."""
    if (volume % 1).any():
        rows = zip(notional.tolist(), volume.tolist(), _known(low), _known(high), strict=True)
        return [vwap(*row) or None for row in rows]  # zero: less than half a tick, rounded
    known = (volume > 0) & (notional >= 0)
    out = np.round(notional / np.where(known, volume, 1) / SCALE, 6)
    if known.all():
        plain: list[float | None] = out.tolist()
        return plain
    return [vw if ok else None for vw, ok in zip(out.tolist(), known.tolist(), strict=True)]


def _known(values: Values) -> list[float | None]:
    return [None if v != v else v for v in values.tolist()]


def rounded(values: Values, digits: int = 6) -> list[float | None]:
    """Rounded to `digits`, NaN as None."""
    # Adding zero turns -0.0 into 0.0.
    numbers: list[float | None] = (np.round(values, digits) + 0.0).tolist()
    return numbers if all_known(values) else [None if v != v else v for v in numbers]


def by_symbol(symbols: Sequence[str], parts: Sequence[list[R]], *, labels: bool) -> list[R]:
    """One symbol's rows as they are; several symbols' (`labels`: one's too) with `symbol` set, ascending by time.

    Where times are equal, in the symbols' order.
    """
    if len(symbols) == 1 and not labels:
        return parts[0]
    rows: list[R] = []
    for symbol, part in zip(symbols, parts, strict=True):
        for row in part:
            row.symbol = symbol
        rows += part
    rows.sort(key=attrgetter("t"))
    return rows


def numbers_or_null(values: Values) -> list[int | float | None]:
    """Whole numbers as int, others as float, NaN as None."""
    return [None if v != v else int(v) if v.is_integer() else v for v in values.tolist()]
