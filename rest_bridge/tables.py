"""Rows as CSV: a header, times also as ISO 8601, what is not known empty."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from operator import attrgetter, itemgetter
from typing import Any

import msgspec

from redis_functions.read.reader import END_OF_TIME

#: Members that are times in epoch ms: a column with the same in ISO follows them.
_TIMES = {"t", "time", "timeEnd", "from", "to"}
_SYMBOL = "symbol"


def csv_of(rows: Sequence[Any], row_type: object, columns: Sequence[str] = ()) -> bytes:
    """The rows (structs of one type, or dicts with the members `columns`) as CSV in UTF-8.

    `row_type` names the columns where there are no rows and `columns` do not.
    """
    names, attributes = _members(rows, row_type, columns)
    heading = [heading for name in names for heading in ((name, f"{name}_iso") if name in _TIMES else (name,))]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(heading)
    get: Callable[[Any], Any] = (itemgetter if rows and isinstance(rows[0], dict) else attrgetter)(*attributes)
    plain = len(attributes) > 1
    for row in rows:
        writer.writerow(_cells(names, get(row) if plain else (get(row),)))
    return out.getvalue().encode()


def _members(rows: Sequence[Any], row_type: object, columns: Sequence[str]) -> tuple[Sequence[str], Sequence[str]]:
    """The columns, and the attributes that they show."""
    kind: Any = type(rows[0]) if rows else row_type
    if not (isinstance(kind, type) and issubclass(kind, msgspec.Struct)) or (columns and not rows):
        return columns, columns
    fields = msgspec.structs.fields(kind)
    if not rows or getattr(rows[0], _SYMBOL, "") is msgspec.UNSET:
        fields = tuple(field for field in fields if field.name != _SYMBOL or field.required)
    return [field.encode_name for field in fields], [field.name for field in fields]


def _cells(names: Sequence[str], values: Iterable[Any]) -> list[object]:
    cells: list[object] = []
    for name, value in zip(names, values, strict=True):
        cells.append(_cell(value))
        if name in _TIMES:
            cells.append("" if value is None else iso(value))
    return cells


def _cell(value: Any) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return value if isinstance(value, str | int | float) else msgspec.json.encode(value).decode()


def iso(t: int) -> str:
    """An instant (epoch ms) in UTC, ``2025-10-10T13:30:00Z``; with milliseconds where it has some."""
    if t > END_OF_TIME:
        return ""
    at = datetime.fromtimestamp(t / 1000, UTC)
    return f"{at:%Y-%m-%dT%H:%M:%S}{f'.{t % 1000:03}' if t % 1000 else ''}Z"
