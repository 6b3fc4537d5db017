"""A request's parameters as a struct: its fields are read strictly from path and query, and described in OpenAPI."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, TypeVar

import msgspec
from msgspec import Meta
from msgspec.inspect import BoolType, IntType, LiteralType, Metadata, NoneType, StrType, StructType, Type, UnionType
from werkzeug.datastructures import MultiDict

from market import timeframes
from market.symbols import is_symbol
from rest_bridge import auto_timeframe, times
from rest_bridge.errors import bad_request
from rest_bridge.times import read_from, read_to

#: The end of time.
MAX_INTEGER = times.MAX_INTEGER
MAX_SYMBOLS = 50

_DIGITS = re.compile(r"[0-9]{1,16}\Z")
_WORD = re.compile(r"[\w.:/ +-]{1,64}\Z", re.ASCII)
_BOOLEANS = {"0": False, "1": True, "false": False, "true": True}

Schema = dict[str, object]
Read = Callable[[str], object]


class Parameters(msgspec.Struct):
    """The base of all; alone it has no parameters. A field is an integer with bounds, a boolean, one of some words
    (Literal), or what `text` reads; with a default it may be left out."""

    def rows(self) -> int:
        """How many rows the answer may have at most: what it costs (rate_limit.cost)."""
        return 0


def text(read: Read, description: str, example: str | None = None, default: str | None = None) -> Meta:
    """Marks a field whose value `read` makes of the parameter's text, or raises ValueError with words for the user.
    `default` is the text of the field's default, for the description."""
    schema: Schema = {"type": "string"}
    if default is not None:
        schema["default"] = default
    return Meta(
        description=description, examples=[example] if example else None, extra={"read": read, "schema": schema}
    )


@dataclass(frozen=True)
class Parameter:
    """One field as a parameter: `read` makes the value of its text or raises ValueError."""

    name: str
    field: str
    read: Read
    schema: Schema
    description: str
    example: object
    required: bool


def parameters_of(struct: type[Parameters]) -> tuple[Parameter, ...]:
    """The fields of a struct: its own in their order, then those of its bases."""
    info = msgspec.inspect.type_info(struct)
    assert isinstance(info, StructType)
    own = struct.__annotations__
    return tuple(_parameter(field) for field in sorted(info.fields, key=lambda field: field.name not in own))


def _parameter(field: msgspec.inspect.Field) -> Parameter:
    meta, kind = _unwrapped(field.type)
    described = (meta.extra_json_schema if meta else None) or {}
    extra = (meta.extra if meta else None) or {}
    if "read" in extra:
        read, schema = extra["read"], dict(extra["schema"])
    else:
        read, schema = _reader(kind)
        if not field.required and field.default is not None:
            schema["default"] = field.default
    example = (described.get("examples") or [None])[0]
    return Parameter(
        field.encode_name, field.name, read, schema, str(described["description"]), example, field.required
    )


def _unwrapped(kind: Type) -> tuple[Metadata | None, Type]:
    """A type without its annotations, and without None: a missing parameter is not null."""
    meta = kind if isinstance(kind, Metadata) else None
    inner = kind.type if isinstance(kind, Metadata) else kind
    if isinstance(inner, UnionType):
        (inner,) = (one for one in inner.types if not isinstance(one, NoneType))
        deeper, inner = _unwrapped(inner)
        meta = meta or deeper
    return meta, inner


def _reader(kind: Type) -> tuple[Read, Schema]:
    """How text becomes a value of this type, and the schema of the text."""
    if isinstance(kind, IntType):
        low, high = kind.ge, kind.le
        assert low is not None
        assert high is not None
        return integer(low, high), {"type": "integer", "minimum": low, "maximum": high}
    if isinstance(kind, BoolType):
        return one_of(_BOOLEANS), {"type": "boolean"}
    if isinstance(kind, LiteralType):
        words = [str(value) for value in kind.values]
        return one_of({word: word for word in words}), {"type": "string", "enum": words}
    assert isinstance(kind, StrType)
    return str, {"type": "string"}


P = TypeVar("P", bound=Parameters)


def read(struct: type[P], declared: Sequence[Parameter], given: MultiDict[str, str], path: Mapping[str, str]) -> P:
    """The struct of a request: words of the path and the query. Raises a 400 on unknown, repeated, missing and unreadable ones.

    An empty text counts as not given: Grafana sends one for a variable without a value.
    """
    _check_names(declared, given, path)
    values: dict[str, object] = {}
    for p in declared:
        shown_text = path.get(p.name) or given.get(p.name, "")
        if shown_text:
            try:
                values[p.field] = p.read(shown_text)
            except ValueError as error:
                raise bad_request(f"{p.name}: {error}", "bad_parameter") from None
        elif p.required:
            raise bad_request(f"{p.name} is required", "missing_parameter")
    start, end = values.get("from_", 0), values.get("to", MAX_INTEGER)
    if isinstance(start, int) and isinstance(end, int) and start > end:
        raise bad_request("from is later than to", "bad_range")
    return struct(**values)


def _check_names(declared: Sequence[Parameter], given: MultiDict[str, str], path: Mapping[str, str]) -> None:
    known = [p.name for p in declared if p.name not in path]
    for name, texts in given.lists():
        if name not in known:
            listed = ", ".join(known) or "none"
            raise bad_request(f"unknown parameter {name[:40]!r}; known here: {listed}", "unknown_parameter")
        if len(texts) > 1:
            raise bad_request(f"{name} is given {len(texts)} times", "repeated_parameter")


def integer(low: int, high: int) -> Callable[[str], int]:
    """Reads a whole number between `low` and `high`."""

    def read(text: str) -> int:
        if not _DIGITS.match(text) or not low <= int(text) <= high:
            raise ValueError(f"{shown(text)} is not a whole number between {low} and {high}")
        return int(text)

    return read


def one_of(words: Mapping[str, object]) -> Read:
    """Reads one of these words as its value."""

    def read(text: str) -> object:
        if text not in words:
            raise ValueError(f"{shown(text)} is not one of {', '.join(words)}")
        return words[text]

    return read


def shown(text: str) -> str:
    """A user's text for an error message: short and without controls."""
    return repr(text if len(text) <= 40 else text[:40] + "…")


def split(text: str) -> list[str]:
    """The items of a comma list, without the blanks around them."""
    return [part.strip(" ") for part in text.split(",")]


def read_symbol(text: str) -> str:
    """A well-formed symbol. Raises ValueError."""
    if not is_symbol(text):
        raise ValueError(f"{shown(text)} is not a symbol")
    return text


def read_symbols(text: str) -> list[str]:
    """A comma list of symbols without duplicates. Raises ValueError for a bad symbol or too many."""
    symbols = list(dict.fromkeys(map(read_symbol, split(text))))
    if len(symbols) > MAX_SYMBOLS:
        raise ValueError(f"{len(symbols)} symbols, at most {MAX_SYMBOLS} are answered at once")
    return symbols


def read_word(text: str) -> str:
    """A name of a rule, feed or the like. Raises ValueError."""
    if not _WORD.match(text):
        raise ValueError(f"{shown(text)} has characters that no name has, or more than 64")
    return text


Symbol = Annotated[str, text(read_symbol, "One symbol.", "AAPL")]
Symbols = Annotated[
    list[str],
    text(read_symbols, f"One symbol, or a comma list of up to {MAX_SYMBOLS}: rows then carry `symbol`.", "AAPL"),
]
OnlySymbol = Annotated[str | None, text(read_symbol, "Only this symbol.")]
OnlySymbols = Annotated[
    list[str] | None,
    text(read_symbols, f"Only this symbol, or those of a comma list of up to {MAX_SYMBOLS}."),
]
Timeframe = Annotated[
    timeframes.Timeframe,
    text(
        auto_timeframe.parse,
        "Candle length: `1s 5s 1m 3m 1h 4h 1d`, any that divides a day. Aligned to UTC, `1d` to New York midnight. `auto`: the "
        "shortest with at most `points` candles in `from`..`to` that is stored so far back; the header `X-Timeframe` names it.",
        "1m",
        "1m",
    ),
]
Points = Annotated[
    int,
    Meta(
        ge=1,
        le=5_000,
        description="With `timeframe=auto`: the number of candles that fit, such as the width of a chart.",
    ),
]
POINTS = 500
MINUTE = timeframes.parse("1m")
_TIME = (
    "time, included: epoch milliseconds, RFC 3339 with a zone, a date (New York), `now`, or a span before it such as `-15m`, "
    "`-1h`, `-5d`"
)
From = Annotated[int, text(read_from, f"Earliest {_TIME}.", "2025-10-10")]
To = Annotated[int, text(read_to, f"Latest {_TIME}; of a date its end.", "now")]
Labels = Annotated[bool, Meta(description="`1`: rows carry `symbol` also where only one was asked for.")]
