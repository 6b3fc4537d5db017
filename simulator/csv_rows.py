"""Rows of trade and bar files as the vendor's events, by the shape of their file."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from typing import Any

from market.tape_letters import LETTER_IDS, counts, parse_letters
from simulator.csv_shapes import Layout, Side
from simulator.csv_values import checked_time, joined_stamp, price, size, symbol, time_ms, whole

SECOND_MS, MINUTE_MS = 1_000, 60_000

#: What a row gives: (its time in ms, the event), or None for a record that does not count, such as a cancelled print.
Parsed = tuple[int, dict[str, Any]] | None
Cells = Sequence[str]

#: Letter of an exchange on the consolidated tape -> the vendor's id (its list of exchanges).
EXCHANGE_IDS = {
    "A": 1, "B": 2, "C": 3, "D": 4, "I": 6, "J": 7, "K": 8, "M": 9, "N": 10, "P": 11, "T": 12, "Q": 12, "S": 13,
    "L": 14, "V": 15, "W": 16, "X": 17, "Y": 18, "Z": 19, "H": 20, "U": 21,
}  # fmt: skip

#: Alpaca's sale conditions are the letters of both plans: those beyond the table of the tape, by the condition's name.
#: ``B`` is a bunched trade on tape C and an average price elsewhere.
_ALPACA_LETTERS = LETTER_IDS | {
    "A": 1, "D": 11, "E": 3, "G": 5, "H": 21, "K": 23, "L": 30, "S": 34, "W": 2, "X": 9, "Y": 36, "1": 27, "5": 18,
    "8": 8, "9": 38, "@": 0, " ": 0,
}  # fmt: skip
_BUNCHED = 4
_TAPES = {"A": 1, "B": 2, "C": 3}


@dataclass(frozen=True)
class Reading:
    """How a file's rows are read: the symbol where the rows do not name it (or are renamed), the zone of stamps without
    an offset, which end of a bar its stamp is, and its span."""

    symbol: str | None
    zone: tzinfo | None
    stamp: Side = "start"
    span_ms: int = MINUTE_MS


def stamp_of(layout: Layout) -> Callable[[Cells], str]:
    """A row's stamp as text, of one column or of a date and a time of day."""
    at = layout.at
    order = next((role for role in ("date", "mdy", "dmy") if role in at), None)
    if order is None:
        column = next(at[role] for role in ("time", "time_utc", "sip_timestamp") if role in at)
        return lambda cells: cells[column]
    day, clock, kind = at[order], at["time"], "ymd" if order == "date" else order
    return lambda cells: joined_stamp(cells[day], cells[clock], kind)


def symbol_of(layout: Layout, given: str | None) -> Callable[[Cells], str]:
    """A row's symbol: of its column, else the `given` one, which also renames the one symbol that a column holds."""
    column = layout.at.get("symbol")
    if column is None:
        return lambda cells: given or ""
    suffix = re.compile(r"\.US\Z", re.IGNORECASE) if layout.shape.name == "Stooq" else None
    first: list[str] = []

    def read(cells: Cells) -> str:
        name = symbol(suffix.sub("", cells[column]) if suffix else cells[column])
        if given is None:
            return name
        if not first:
            first.append(name)
        if name != first[0]:
            raise ValueError(
                f"--symbol goes with files of one symbol; this row is of {name}, the first was of {first[0]}"
            )
        return given

    return read


def parser_of(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """What makes events of the file's rows. It raises ValueError or OverflowError for a row that cannot be read."""
    return _PARSERS[layout.shape.parser](layout, reading)


def _bars(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """Second bars as ``A``, minute bars as ``AM``, their time the end of the bar; without a VWAP there is no ``vw``."""
    at, zone, span = layout.at, reading.zone, reading.span_ms
    stamp, name = stamp_of(layout), symbol_of(layout, reading.symbol)
    before = span if reading.stamp == "end" else 0
    channel = "A" if span == SECOND_MS else "AM"
    vwap, trades = at.get("vwap"), at.get("trades")
    opened, high, low, closed, volume = (at[name] for name in ("open", "high", "low", "close", "volume"))

    def parse(cells: Cells) -> Parsed:
        t = time_ms(stamp(cells), zone)
        if t % span:
            raise ValueError(
                f"{stamp(cells)!r} lies inside a bar of {span // 1000} s: bars begin and end on whole ones"
            )
        start = checked_time(t - before)
        o, h, l, c = price(cells[opened]), price(cells[high]), price(cells[low]), price(cells[closed])  # noqa: E741
        if not (l <= o <= h and l <= c <= h):
            raise ValueError(f"open {o} and close {c} do not lie between low {l} and high {h}")
        body: dict[str, Any] = {
            "ev": channel, "sym": name(cells), "v": size(cells[volume]), "o": o, "c": c, "h": h, "l": l, "s": start,
        }  # fmt: skip
        if vwap is not None and cells[vwap].strip():
            body["vw"] = price(cells[vwap])
        count = size(cells[trades]) if trades is not None and cells[trades].strip() else 0
        if count > 0:
            body["z"] = int(body["v"] // count)
        body["e"] = start + span
        return start + span, body

    return parse


def _tape_trades(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """Consolidated-tape trades with letters, times in UTC to the microsecond, in the order of the tape."""
    at = layout.at
    name_of = symbol_of(layout, reading.symbol)
    sequence: dict[str, int] = {}

    def parse(cells: Cells) -> Parsed:
        name = name_of(cells)
        sequence[name] = q = sequence.get(name, 0) + 1
        if not counts(whole(cells[at["correction"]] or "0")):
            return None
        t = time_ms(cells[at["time_utc"]], UTC)
        body: dict[str, Any] = {
            "ev": "T", "sym": name, "x": _exchange(cells[at["exchange"]]), "i": str(q), "p": price(cells[at["price"]])
        }  # fmt: skip
        conditions = parse_letters(cells[at["sale_condition"]])
        if conditions:
            body["c"] = list(conditions)
        return t, _sized(body, size(cells[at["size"]])) | {"t": t, "q": q}

    return parse


def _massive_trades(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """The vendor's flat file of trades: times in ns, condition ids."""
    at = layout.at
    name = symbol_of(layout, reading.symbol)
    facility, reported = at.get("trf_id"), at.get("trf_timestamp")

    def parse(cells: Cells) -> Parsed:
        if not counts(whole(cells[at["correction"]] or "0")):
            return None
        t = checked_time(whole(cells[at["sip_timestamp"]]) // 1_000_000)
        body: dict[str, Any] = {
            "ev": "T", "sym": name(cells), "x": whole(cells[at["exchange"]]), "i": cells[at["id"]],
            "z": whole(cells[at["tape"]]), "p": price(cells[at["price"]]),
        }  # fmt: skip
        if cells[at["conditions"]].strip():
            body["c"] = [whole(word) for word in cells[at["conditions"]].split(",")]
        _sized(body, size(cells[at["size"]]))
        body |= {"t": t, "q": whole(cells[at["sequence_number"]])}
        if facility is not None and whole(cells[facility] or "0"):
            at_facility = whole(cells[reported] or "0") if reported is not None else 0
            body |= {"trfi": whole(cells[facility]), "trft": at_facility // 1_000_000}
        return t, body

    return parse


def _alpaca_trades(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """Alpaca's trades: letters of exchange, tape and conditions, these as a list such as ``['@', 'I']``."""
    at = layout.at
    plain = _plain_trades(layout, reading)

    def parse(cells: Cells) -> Parsed:
        parsed = plain(cells)
        assert parsed is not None
        t, body = parsed
        body["x"] = _exchange(cells[at["exchange"]])
        tape = cells[at["tape"]].strip() if "tape" in at else ""
        if tape in _TAPES:
            body["z"] = _TAPES[tape]
        if "id" in at and cells[at["id"]].strip():
            body["i"] = cells[at["id"]].strip()
        codes = []
        for letter in re.sub(r"[\[\]'\",]", "", cells[at["conditions"]]).split():
            code = _BUNCHED if letter == "B" and tape == "C" else _ALPACA_LETTERS.get(letter)
            if code is None:
                raise ValueError(f"unknown sale condition {letter[:20]!r}")
            codes += [code] if code else []
        if codes:
            body["c"] = codes
        return t, body

    return parse


def _plain_trades(layout: Layout, reading: Reading) -> Callable[[Cells], Parsed]:
    """Trades of nothing but time, price and size: regular sales, numbered in the order of the file."""
    at, zone = layout.at, reading.zone
    stamp, name_of = stamp_of(layout), symbol_of(layout, reading.symbol)
    sequence: dict[str, int] = {}

    def parse(cells: Cells) -> Parsed:
        name = name_of(cells)
        sequence[name] = q = sequence.get(name, 0) + 1
        t = time_ms(stamp(cells), zone)
        body: dict[str, Any] = {"ev": "T", "sym": name, "i": str(q), "p": price(cells[at["price"]])}
        return t, _sized(body, size(cells[at["size"]])) | {"t": t, "q": q}

    return parse


def _exchange(letter: str) -> int:
    number = EXCHANGE_IDS.get(letter.strip())
    if number is None:
        raise ValueError(f"unknown exchange {letter[:20]!r}")
    return number


def _sized(body: dict[str, Any], shares: float | int) -> dict[str, Any]:
    """Sizes go out as whole shares; a fraction is in the decimal string beside it, as at the vendor."""
    body["s"] = int(shares)
    if shares != body["s"]:
        body["ds"] = str(shares)
    return body


_PARSERS: dict[str, Callable[[Layout, Reading], Callable[[Cells], Parsed]]] = {
    "bars": _bars,
    "tape_trades": _tape_trades,
    "massive_trades": _massive_trades,
    "alpaca_trades": _alpaca_trades,
    "plain_trades": _plain_trades,
}
