"""Rows of trade and bar files as the vendor's events. Which kind a file is, its header says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from market.sessions import NEW_YORK
from market.symbols import is_symbol
from market.tape_letters import counts, parse_letters

#: What a row gives: (its time in ms, the event), or None for a record that does not count, such as a cancelled print.
Parsed = tuple[int, dict[str, Any]] | None
Row = Mapping[str, str]

#: Letter of an exchange on the consolidated tape -> the vendor's id (its list of exchanges).
EXCHANGE_IDS = {
    "A": 1, "B": 2, "C": 3, "D": 4, "I": 6, "J": 7, "K": 8, "M": 9, "N": 10, "P": 11, "T": 12, "Q": 12, "S": 13,
    "L": 14, "V": 15, "W": 16, "X": 17, "Y": 18, "Z": 19, "H": 20, "U": 21,
}  # fmt: skip

#: What goes out must fit: sizes as far as a feed's reader takes them, times (epoch ms) to where ms could be µs, whole
#: numbers into 64 bits.
_MAX_SIZE = 1e15
_MAX_TIME = 100_000_000_000_000
_MAX_WHOLE = 2**63 - 1

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class Kind(NamedTuple):
    """A kind of file: its name, the columns that tell it, a maker of row parsers (one a file, given its symbol or
    None), whether its rows come in order of time, and whether they are bars (of seconds or minutes: to be seen)."""

    name: str
    columns: frozenset[str]
    parser: Callable[[str | None], Callable[[Row], Parsed]]
    in_order: bool
    bars: bool


def kind_of(header: Iterable[str]) -> Kind | None:
    """The kind of file whose first line holds these column names; None where it is none that can be replayed."""
    columns = {name.strip().lower() for name in header}
    return next((kind for kind in KINDS if kind.columns <= columns), None)


def number(text: str) -> float | int:
    """A finite number, an integer where it is whole. Raises ValueError."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text!r} is not a number")
    return int(value) if value.is_integer() else value


def price(text: str) -> float:
    """A price: a finite number above 0. Raises ValueError."""
    value = float(text)
    if not 0 < value < math.inf:
        raise ValueError(f"{text!r} is not a price")
    return value


def _size(text: str) -> float | int:
    value = number(text)
    if not 0 <= value < _MAX_SIZE:
        raise ValueError(f"{text[:20]!r} is not a size")
    return value


def whole(text: str) -> int:
    """A whole number of at most 64 bits. Raises ValueError."""
    value = int(text)
    if not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        raise ValueError(f"{text[:20]!r} is too large")
    return value


def _time(ms: int) -> int:
    if not 0 < ms < _MAX_TIME:
        raise ValueError(f"{ms} ms since 1970 is no time of a trade")
    return ms


def _symbol(text: str) -> str:
    if not is_symbol(text):
        raise ValueError(f"{text[:20]!r} is not a symbol")
    return text


def _sized(body: dict[str, Any], size: float | int) -> dict[str, Any]:
    """Sizes go out as whole shares; a fraction is in the decimal string beside it, as at the vendor."""
    body["s"] = int(size)
    if size != body["s"]:
        body["ds"] = str(size)
    return body


def _tape_trades(symbol: str | None) -> Callable[[Row], Parsed]:
    """Consolidated-tape trades with letters, times in UTC to the microsecond, in the order of the tape."""
    sequence: dict[str, int] = {}

    def parse(row: Row) -> Parsed:
        name = symbol or _symbol(row["symbol"])
        sequence[name] = q = sequence.get(name, 0) + 1
        if not counts(int(row["correction"] or 0)):
            return None
        t = _time((datetime.fromisoformat(row["time_utc"]).replace(tzinfo=UTC) - _EPOCH) // _MS)
        exchange = EXCHANGE_IDS.get(row["exchange"].strip())
        if exchange is None:
            raise ValueError(f"unknown exchange {row['exchange'][:20]!r}")
        body: dict[str, Any] = {"ev": "T", "sym": name, "x": exchange, "i": str(q), "p": price(row["price"])}
        conditions = parse_letters(row["sale_condition"])
        if conditions:
            body["c"] = list(conditions)
        return t, _sized(body, _size(row["size"])) | {"t": t, "q": q}

    return parse


def _vendor_trades(symbol: str | None) -> Callable[[Row], Parsed]:
    """The vendor's flat file of trades: times in ns, condition ids."""

    def parse(row: Row) -> Parsed:
        if not counts(int(row["correction"] or 0)):
            return None
        t = _time(whole(row["sip_timestamp"]) // 1_000_000)
        body: dict[str, Any] = {
            "ev": "T", "sym": symbol or _symbol(row["ticker"]), "x": whole(row["exchange"]), "i": row["id"],
            "z": whole(row["tape"]), "p": price(row["price"]),
        }  # fmt: skip
        if row["conditions"].strip():
            body["c"] = [whole(word) for word in row["conditions"].split(",")]
        _sized(body, _size(row["size"]))
        body |= {"t": t, "q": whole(row["sequence_number"])}
        if whole(row.get("trf_id") or "0"):
            body |= {"trfi": whole(row["trf_id"]), "trft": whole(row.get("trf_timestamp") or "0") // 1_000_000}
        return t, body

    return parse


def _bar(symbol: str, row: Row, start: int) -> dict[str, Any]:
    """The part of a bar's event that its span does not change; without a VWAP there is no ``vw``."""
    return {
        "sym": symbol, "v": _size(row["volume"]), "o": price(row["open"]), "c": price(row["close"]),
        "h": price(row["high"]), "l": price(row["low"]), "s": start,
    }  # fmt: skip


def _bars_stamped_at_end(symbol: str | None) -> Callable[[Row], Parsed]:
    """Bars of one symbol, stamped at their end in New York time. The start is corrected when the span is known."""
    name = symbol or ""

    def parse(row: Row) -> Parsed:
        stamp = datetime.fromisoformat(row["datetime"]).replace(tzinfo=NEW_YORK)
        end = _time((stamp.astimezone(UTC) - _EPOCH) // _MS)
        return end, _bar(name, row, end)

    return parse


def _vendor_bars(symbol: str | None) -> Callable[[Row], Parsed]:
    """The vendor's flat file of aggregates: symbol by symbol, the start in ns."""

    def parse(row: Row) -> Parsed:
        start = _time(whole(row["window_start"]) // 1_000_000)
        body = _bar(symbol or _symbol(row["ticker"]), row, start)
        transactions = whole(row.get("transactions") or "0")
        if transactions > 0:
            body["z"] = int(body["v"] // transactions)
        return start, body

    return parse


def as_bar_event(body: dict[str, Any], second_bars: bool, stamped_at_end: bool) -> dict[str, Any]:
    """The ``A`` or ``AM`` event of what `_bar` made, now that the file's span is known."""
    span = 1000 if second_bars else 60_000
    if stamped_at_end:
        body["s"] -= span
    return {"ev": "A" if second_bars else "AM"} | body | {"e": body["s"] + span}


STAMPED_AT_END = Kind(
    "bars",
    frozenset({"datetime", "open", "high", "low", "close", "volume"}),
    _bars_stamped_at_end,
    in_order=False,
    bars=True,
)
KINDS = (
    Kind(
        "tape trades",
        frozenset({"time_utc", "exchange", "symbol", "sale_condition", "size", "price", "correction"}),
        _tape_trades,
        in_order=True,
        bars=False,
    ),
    STAMPED_AT_END,
    Kind(
        "the vendor's trades",
        frozenset(
            {
                "ticker",
                "conditions",
                "correction",
                "exchange",
                "id",
                "price",
                "sequence_number",
                "sip_timestamp",
                "size",
                "tape",
            }
        ),
        _vendor_trades,
        in_order=False,
        bars=False,
    ),
    Kind(
        "the vendor's aggregates",
        frozenset({"ticker", "volume", "open", "close", "high", "low", "window_start"}),
        _vendor_bars,
        in_order=False,
        bars=True,
    ),
)
