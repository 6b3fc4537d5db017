"""Columns of the store as rows of JSON: real prices, null where unknown."""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import msgspec
import numpy as np

from market.price import SCALE, vwap
from redis_functions.read.candles import CLOSE, HIGH, LOW, NOTIONAL, OPEN, VOLUME, Candles, all_known
from redis_functions.read.ranges import Values

Row = dict[str, Any]


# Structs are made in a third of the time that dicts take; `symbol` is written where it was set.


class Candle(msgspec.Struct, gc=False):
    t: int
    o: float
    h: float
    l: float  # noqa: E741 - the field's own name
    c: float
    v: float
    vw: float | None
    symbol: str | msgspec.UnsetType = msgspec.UNSET


class VelocityAt(msgspec.Struct, gc=False):
    t: int
    velocity: float | None
    symbol: str | msgspec.UnsetType = msgspec.UNSET


def candle_rows(candles: Candles) -> list[Candle]:
    return list(map(Candle, *candle_columns(candles)))


def rows_with(candles: Candles, extra: dict[str, Sequence[Any]]) -> list[Row]:
    """``{"t","o","h","l","c","v","vw"}`` a candle, and the columns of `extra`."""
    names = (*Candle.__struct_fields__[:-1], *extra)
    columns = (*candle_columns(candles), *extra.values())
    return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]


def candle_columns(candles: Candles) -> tuple[Sequence[Any], ...]:
    """t, o, h, l, c, v and vw."""
    prices = (candles.fields[OPEN : CLOSE + 1] / SCALE).tolist()
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
    return [None if v != v else v for v in (np.round(values, digits) + 0.0).tolist()]


def merged(parts: Sequence[tuple[str, Sequence[Candle | VelocityAt]]]) -> list[Candle | VelocityAt]:
    """Rows of several symbols with their symbol, ascending by time (where times are equal in the symbols' order)."""
    rows: list[Candle | VelocityAt] = []
    for symbol, part in parts:
        for row in part:
            row.symbol = symbol
        rows += part
    rows.sort(key=attrgetter("t"))
    return rows


def numbers_or_null(values: Values) -> list[int | float | None]:
    """Whole numbers as int, others as float, NaN as None."""
    return [None if v != v else int(v) if v.is_integer() else v for v in values.tolist()]
