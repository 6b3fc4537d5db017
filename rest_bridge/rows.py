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
    numbers: list[float | None] = (np.round(values, digits) + 0.0).tolist()
    return numbers if all_known(values) else [None if v != v else v for v in numbers]


def by_symbol(symbols: Sequence[str], parts: Sequence[list[Any]], *, labels: bool) -> list[Any]:
    """One symbol's rows as they are; several symbols' (`labels`: one's too) with `symbol` set, ascending by time.

    Where times are equal, in the symbols' order. A row is a struct with `t` and `symbol`.
    """
    if len(symbols) == 1 and not labels:
        return parts[0]
    rows: list[Any] = []
    for symbol, part in zip(symbols, parts, strict=True):
        for row in part:
            row.symbol = symbol
        rows += part
    rows.sort(key=attrgetter("t"))
    return rows


def numbers_or_null(values: Values) -> list[int | float | None]:
    """Whole numbers as int, others as float, NaN as None."""
    return [None if v != v else int(v) if v.is_integer() else v for v in values.tolist()]
