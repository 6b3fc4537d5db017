"""Rows of the vendor's REST to our records. An invalid row is skipped and counted; the others are used."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Any, NamedTuple, TypeVar

import msgspec

from market.bar import Bar
from market.limits import MAX_NOTIONAL, MAX_PRICE, bar_fault, is_price
from market.price import notional, ticks
from market.symbols import is_symbol

Row = TypeVar("Row")
#: Shares on one side of a split; the vendor's largest are a few thousand.
MAX_SHARES = 1e9


class Aggregate(msgspec.Struct):
    """``{"v": 200, "vw": 25.3981, "o": 25.39, "c": 25.39, "h": 25.39, "l": 25.39, "t": 1610144868000, "n": 4}``"""

    t: float
    o: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    c: float
    v: float
    vw: float | None = None


class DailyClose(msgspec.Struct):
    """``{"T": "AAPL", "c": 499.23, …}``, a row of the grouped daily bars."""

    T: str
    c: float


class Split(msgspec.Struct):
    """``{"execution_date": "2020-08-31", "id": "E1", "split_from": 1, "split_to": 4, "ticker": "AAPL"}``"""

    ticker: str
    execution_date: str
    split_from: float
    split_to: float
    id: str = ""


class Page(NamedTuple):
    """The bars of an answer, ascending, each start once, and how many rows were set aside; `unusable`: those of them whose
    start is not that of a bar, or cannot be read."""

    bars: list[Bar]
    odd: int
    unusable: int


def page_of(symbol: str, rows: Sequence[Any], span_ms: int, start: int, end: int) -> Page:
    """The rows as bars that start in `start`..`end` (epoch ms)."""
    made = [to_bar(symbol, row, span_ms) for row in rows]
    by_start = {bar.t: bar for bar in made if bar is not None and start <= bar.t <= end}
    odd = [row for row, bar in zip(rows, made, strict=True) if bar is None]
    unusable = sum(_start_of(row, span_ms) not in by_start for row in odd)
    return Page([by_start[t] for t in sorted(by_start)], len(odd), unusable)


def _start_of(row: Any, span_ms: int) -> int | None:
    """The start of the bar that a row should have been, where that can be read."""
    t = row.get("t") if isinstance(row, dict) else None
    return t - t % span_ms if isinstance(t, int) else None


def to_bar(symbol: str, row: Any, span_ms: int) -> Bar | None:
    """One aggregate of the vendor as a bar; None for one that cannot be right."""
    read = _read(row, Aggregate)
    if read is None or bar_fault(read.t, read.o, read.h, read.l, read.c, read.v):
        return None
    money = notional(read.vw, read.v) if read.vw is not None and 0.0 < read.vw < MAX_PRICE else None
    if money is not None and money >= MAX_NOTIONAL:
        return None
    t, whole = int(read.t), int(read.v)
    volume = whole if whole == read.v else read.v
    o, h, low, c = ticks(read.o), ticks(read.h), ticks(read.l), ticks(read.c)
    return Bar(symbol, t - t % span_ms, o, h, low, c, volume, money, span_ms)


def closes_of(rows: Iterable[Any]) -> tuple[dict[str, float], int]:
    """Symbol to close, and how many rows were set aside."""
    closes, odd = {}, 0
    for row in rows:
        read = _read(row, DailyClose)
        if read is not None and is_symbol(read.T) and is_price(read.c):
            closes[read.T] = read.c
        else:
            odd += 1
    return closes, odd


def split_ratios_of(rows: Iterable[Any], after: date, until: date) -> tuple[dict[str, float], int]:
    """Symbol to what a price from before its splits in (`after`, `until`] is multiplied by, and how many rows were set aside.

    One id counts once.
    """
    ratios: dict[str, float] = {}
    seen, odd = set(), 0
    for row in rows:
        read = _read(row, Split)
        if read is None or not (0 < read.split_from < MAX_SHARES and 0 < read.split_to < MAX_SHARES):
            odd += 1
            continue
        split = (read.ticker, read.execution_date, read.id)
        # Dates of ISO 8601 compare as text.
        if after.isoformat() < read.execution_date <= until.isoformat() and split not in seen:
            seen.add(split)
            ratios[read.ticker] = ratios.get(read.ticker, 1.0) * read.split_from / read.split_to
    return ratios, odd


def _read(row: Any, kind: type[Row]) -> Row | None:
    """The row, None where a field is missing or of another type."""
    try:
        return msgspec.convert(row, kind) if isinstance(row, dict) else None
    except (msgspec.ValidationError, OverflowError):
        return None
