"""Query parameters: declared once, for reading them strictly and for describing them in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from werkzeug.datastructures import MultiDict

from market import timeframes
from market.symbols import is_symbol
from rest_bridge.errors import bad_request

#: Integers beyond 2**53 are not exact in JSON readers.
MAX_INTEGER = 2**53
MAX_SYMBOLS = 50

_DIGITS = re.compile(r"[0-9]{1,16}\Z")
_WORD = re.compile(r"[\w.:/ +-]{1,64}\Z", re.ASCII)

Query = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One query parameter. `read` turns its text into a value or raises ValueError with words for the user.

    An empty text counts as not given: Grafana sends one for a variable without a value.
    """

    name: str
    description: str
    read: Callable[[str], Any]
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    default: Any = None
    required: bool = False
    example: Any = None


def parse(declared: Sequence[Parameter], given: MultiDict[str, str]) -> Query:
    """The values of all declared parameters. Raises a 400 on unknown, repeated, missing and unreadable ones."""
    known = {p.name for p in declared}
    for name, texts in given.lists():
        if name not in known:
            listed = ", ".join(p.name for p in declared) or "none"
            raise bad_request(f"unknown parameter {name[:40]!r}; known here: {listed}", "unknown_parameter")
        if len(texts) > 1:
            raise bad_request(f"{name} is given {len(texts)} times", "repeated_parameter")
    query: Query = {}
    for p in declared:
        text = given.get(p.name, "")
        if text:
            try:
                query[p.name] = p.read(text)
            except ValueError as error:
                raise bad_request(f"{p.name}: {error}", "bad_parameter") from None
        elif p.required:
            raise bad_request(f"{p.name} is required", "missing_parameter")
        else:
            query[p.name] = p.default
    if "from" in query and "to" in query and query["from"] > query["to"]:
        raise bad_request("from is later than to", "bad_range")
    return query


def integer(low: int, high: int) -> Callable[[str], int]:
    """Reads a whole number between `low` and `high`."""

    def read(text: str) -> int:
        if not _DIGITS.match(text) or not low <= int(text) <= high:
            raise ValueError(f"{shown(text)} is not a whole number between {low} and {high}")
        return int(text)

    return read


def shown(text: str) -> str:
    """A user's text for an error message: short and without controls."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def read_symbol(text: str) -> str:
    if not is_symbol(text):
        raise ValueError(f"{shown(text)} is not a symbol")
    return text


def read_symbols(text: str) -> list[str]:
    symbols = list(dict.fromkeys(read_symbol(part) for part in text.split(",")))
    if len(symbols) > MAX_SYMBOLS:
        raise ValueError(f"{len(symbols)} symbols, at most {MAX_SYMBOLS} are answered at once")
    return symbols


def read_word(text: str) -> str:
    if not _WORD.match(text):
        raise ValueError(f"{shown(text)} has characters that no name has, or more than 64")
    return text


def one_of(*words: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if text not in words:
            raise ValueError(f"{shown(text)} is not one of {', '.join(words)}")
        return text

    return read


def symbol() -> Parameter:
    return Parameter("symbol", "One symbol.", read_symbol, required=True, example="AAPL")


def any_symbol() -> Parameter:
    return Parameter("symbol", "Only this symbol.", read_symbol)


def any_symbols() -> Parameter:
    return Parameter("symbol", f"Only this symbol, or those of a comma list of up to {MAX_SYMBOLS}.", read_symbols)


def symbols() -> Parameter:
    text = f"One symbol, or a comma list of up to {MAX_SYMBOLS}: rows then carry `symbol`."
    return Parameter("symbol", text, read_symbols, required=True, example="AAPL")


def timeframe(default: str = "1m") -> Parameter:
    text = "Candle length: `1s 5s 1m 3m 1h 4h 1d`, any that divides a day. Aligned to UTC, `1d` to New York midnight."
    schema = {"type": "string", "default": default}
    return Parameter("timeframe", text, timeframes.parse, schema, timeframes.parse(default), example=default)


def span() -> tuple[Parameter, Parameter]:
    """`from` and `to`: epoch ms, both included; the whole of time when not given."""
    schema = {"type": "integer", "format": "int64", "minimum": 0, "maximum": MAX_INTEGER}
    read = integer(0, MAX_INTEGER)
    return (
        Parameter("from", "Earliest time, epoch ms UTC, included.", read, schema, 0),
        Parameter("to", "Latest time, epoch ms UTC, included.", read, schema, MAX_INTEGER),
    )


def limit(default: int, most: int, text: str = "The newest so many rows.") -> Parameter:
    schema = {"type": "integer", "minimum": 1, "maximum": most, "default": default}
    return Parameter("limit", text, integer(1, most), schema, default)


def choice(name: str, text: str, words: Sequence[str], default: str | None = None) -> Parameter:
    schema: dict[str, Any] = {"type": "string", "enum": list(words)}
    if default is not None:
        schema["default"] = default
    return Parameter(name, text, one_of(*words), schema, default)


def labels() -> Parameter:
    return choice("labels", "`1`: rows carry `symbol` also where only one was asked for.", ("0", "1"), "0")
