"""What Infinity 3.11 does with a query of type json and parser backend, as far as our dashboards use it.

Browser: variables are put into url, parameters and root selector (a list is written ``{A,B}`` unless its format is
csv). Server: the macros ``${__timeFrom}`` and ``${__timeTo}`` become epoch ms; the answer is cut to the root selector,
each column is read by its path and turned into its type, fields are sorted by name; a time series with text columns is
made wide, but only when its rows ascend: otherwise it silently stays long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

Json = dict[str, Any]
#: path with query -> (status, body)
Get = Callable[[str], tuple[int, bytes]]

_VARIABLE = re.compile(r"\$\{(\w+)(?::(\w+))?\}|\$(\w+)")


class InfinityError(Exception):
    """The panel would show a red corner with this text."""


@dataclass(frozen=True)
class View:
    """What the viewer chose: a range in epoch ms, and the dashboard's variables."""

    start: int
    end: int
    variables: Mapping[str, str | list[str]] = field(default_factory=dict)


@dataclass
class Field:
    name: str
    kind: str  # time, number, string or boolean
    values: list[Any]
    labels: dict[str, str] = field(default_factory=dict)


def interpolate(text: str, view: View) -> str:
    """The browser's part; what it does not know stays as it is."""

    def put(found: re.Match[str]) -> str:
        name, form = found[1] or found[3], found[2]
        if name not in view.variables:
            return found[0]
        value = view.variables[name]
        if isinstance(value, str):
            return value
        if form == "csv":
            return ",".join(value)
        return value[0] if len(value) == 1 else "{" + ",".join(value) + "}"

    return _VARIABLE.sub(put, text)


def macros(text: str, view: View) -> str:
    """The server's part."""
    return text.replace("${__timeFrom}", str(view.start)).replace("${__timeTo}", str(view.end))


def address(target: Json, view: View) -> str:
    """The path and query requested; a parameter overrides the same one in the url."""
    if target["source"] != "url" or not target["url"].startswith("/"):
        raise InfinityError("invalid port: host and path are glued where the url does not begin with a slash")
    parts = urlsplit(macros(interpolate(target["url"], view), view))
    own = [(p["key"], macros(interpolate(p["value"], view), view)) for p in target["url_options"].get("params", [])]
    keys = {key for key, _ in own}
    query = [pair for pair in parse_qsl(parts.query) if pair[0] not in keys] + own
    return parts.path + (f"?{urlencode(query)}" if query else "")


def run(target: Json, view: View, get: Get) -> list[Field]:
    """The frame's fields as the panel gets them; none where the answer has no rows."""
    if target["type"] != "json" or target["parser"] != "backend":
        raise InfinityError("only type json with parser backend is emulated")
    status, body = get(address(target, view))
    if status >= 400:
        raise InfinityError(f"unsuccessful HTTP response code: {status} {body!r}")
    fields = _frame(body, interpolate(target["root_selector"], view), target["columns"])
    return _wide(fields) if target["format"] == "timeseries" else fields


def _frame(body: bytes, root: str, columns: list[Json]) -> list[Field]:
    if not body:
        raise InfinityError("empty response body")
    rows = _path(json.loads(body, parse_constant=_no_constant), root)
    if isinstance(rows, dict):
        rows = [rows]
    if not isinstance(rows, list):
        raise InfinityError(f"the root selector {root!r} finds no rows")
    if not rows:
        return []
    fields = [
        Field(
            column["text"] or column["selector"],
            _KINDS[column["type"]],
            [_cell(_path(row, column["selector"]), column["type"]) for row in rows],
        )
        for column in columns
    ]
    return sorted(fields, key=lambda f: f.name)


def _no_constant(text: str) -> None:
    raise InfinityError(f"unable to parse response body as JSON: {text}")


def _path(value: Any, path: str) -> Any:
    for key in path.split(".") if path else ():
        if isinstance(value, list) and key.isdigit():
            value = value[int(key)] if int(key) < len(value) else None
        else:
            value = value.get(key) if isinstance(value, dict) else None
    return value


_KINDS = {
    "timestamp_epoch": "time",
    "timestamp_epoch_s": "time",
    "timestamp": "time",
    "number": "number",
    "string": "string",
    "boolean": "boolean",
}


def _cell(value: Any, kind: str) -> Any:
    """The value in the column's type; null where it cannot be."""
    if value is None:
        return None
    if kind == "string":
        return value if isinstance(value, str) else json.dumps(value)
    if kind == "boolean":
        return str(value).lower() == "true"
    # A number that is declared as text in a date layout becomes null.
    if isinstance(value, bool) or not isinstance(value, int | float | str) or kind == "timestamp":
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return {"number": number, "timestamp_epoch": int(number), "timestamp_epoch_s": int(number) * 1000}[kind]


def _wide(long: list[Field]) -> list[Field]:
    """One series per set of labels; the same fields where that is not to be had."""
    times = next((f for f in long if f.kind == "time"), None)
    factors = [f for f in long if f.kind in ("string", "boolean")]
    numbers = [f for f in long if f.kind == "number"]
    if times is None or not factors or not numbers:
        return long
    if None in times.values or times.values != sorted(times.values):
        return long
    places = {t: place for place, t in enumerate(dict.fromkeys(times.values))}
    series: dict[tuple[str, ...], list[Field]] = {}
    for row, t in enumerate(times.values):
        key = tuple(str(f.values[row] or "") for f in factors)
        if key not in series:
            labels = {f.name: value for f, value in zip(factors, key, strict=True)}
            series[key] = [Field(n.name, "number", [None] * len(places), labels) for n in numbers]
        for made, given in zip(series[key], numbers, strict=True):
            made.values[places[t]] = given.values[row]
    ordered = sorted(
        (f for fields in series.values() for f in fields), key=lambda f: (f.name, sorted(f.labels.items()))
    )
    return [Field(times.name, "time", list(places)), *ordered]
