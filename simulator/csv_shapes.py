"""The CSV shapes that `replay` reads, and which of them a file has. A shape states only what its source documents."""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from typing import Literal

from market.printable import printable
from market.sessions import NEW_YORK

Side = Literal["start", "end"]

#: What `--columns` may name; ``-`` is a column that is not read.
ROLES = frozenset(
    {
        "time",
        "date",
        "mdy",
        "dmy",
        "symbol",
        "open",
        "high",
        "low",
        "close",
        "volume",
        "vwap",
        "trades",
        "price",
        "size",
        "-",
    }
)
_OHLCV = ("open", "high", "low", "close", "volume")
_SYMBOL = frozenset({"symbol"})


class UnknownShape(ValueError):
    """The file has none of the shapes; the message has what was found, what is known and what is nearest."""


@dataclass(frozen=True)
class Shape:
    """A kind of file. `header` is its first line as its source writes it; `roles` leads from what a column is to its
    name there. `zone` and `stamp` are what the source documents, None where it does not.

    `optional` are roles that it is read without. `exact`: upper and lower case distinguish it from other shapes. `parser` names
    the maker of its rows in `csv_rows`.
    """

    name: str
    header: str
    roles: Mapping[str, str]
    parser: str = "bars"
    zone: tzinfo | None = None
    stamp: Side | None = None
    exact: bool = False
    in_order: bool = False
    optional: frozenset[str] = frozenset()
    note: str = ""

    @property
    def bars(self) -> bool:
        return self.parser == "bars"

    @property
    def asks(self) -> str:
        """The options that a file of this shape needs; an empty text for none."""
        if self.zone is not None:
            return ""
        if not self.bars:
            return "--tz, unless stamps carry a UTC offset"
        if self.stamp is not None:
            return "--tz and --stamp, unless stamps carry a UTC offset"
        return "--stamp, and --tz, unless stamps carry a UTC offset"


@dataclass(frozen=True)
class Layout:
    """A file's shape, and where its columns are. `heads` are its first lines that are no rows, `symbol` is the one that
    they name."""

    shape: Shape
    at: Mapping[str, int]
    width: int
    heads: Sequence[list[str]] = field(default_factory=list)
    symbol: str | None = None


def _bars(time: str, **roles: str) -> dict[str, str]:
    return {"time": time} | {name: name for name in _OHLCV} | roles


_STOOQ = {
    "symbol": "ticker", "per": "per", "date": "date", "time": "time", "open": "open", "high": "high", "low": "low",
    "close": "close", "volume": "vol",
}  # fmt: skip

#: In the order in which they are tried. A ``|`` separates names of which one is enough; an empty one is a column
#: without a name, as pandas writes an index.
SHAPES = (
    Shape(
        "consolidated tape trades",
        "time_utc,exchange,symbol,sale_condition,size,price,correction",
        {name: name for name in ("time_utc", "exchange", "symbol", "sale_condition", "size", "price", "correction")},
        parser="tape_trades", zone=UTC, in_order=True,
        note="letters of the tape; cancelled prints are left out",
    ),
    Shape(
        "Massive trades",
        "ticker,conditions,correction,exchange,id,participant_timestamp,price,sequence_number,sip_timestamp,size,tape,"
        "trf_id,trf_timestamp",
        {"symbol": "ticker"} | {
            name: name
            for name in ("conditions", "correction", "exchange", "id", "price", "sequence_number", "sip_timestamp",
                         "size", "tape", "trf_id", "trf_timestamp")
        },
        parser="massive_trades", zone=UTC, optional=frozenset({"trf_id", "trf_timestamp"}),
        note="flat file `trades_v1`; times in ns",
    ),
    Shape(
        "Massive aggregates",
        "ticker,volume,open,close,high,low,window_start,transactions",
        _bars("window_start", symbol="ticker", trades="transactions"),
        zone=UTC, stamp="start", optional=frozenset({"trades"}),
        note="flat file `minute_aggs_v1`; times in ns, prices as they were",
    ),
    Shape(
        "Alpaca trades",
        "symbol,timestamp,exchange,price,size,id,conditions,tape",
        {"time": "timestamp"} | {name: name for name in ("symbol", "exchange", "price", "size", "id", "conditions", "tape")},
        parser="alpaca_trades", optional=frozenset({"symbol", "id", "tape"}),
        note="`get_stock_trades(…).df.to_csv()`; the symbol may be missing",
    ),
    Shape(
        "Alpaca bars",
        "symbol,timestamp,open,high,low,close,volume,trade_count,vwap",
        _bars("timestamp", symbol="symbol", trades="trade_count", vwap="vwap"),
        stamp="start", optional=_SYMBOL,
        note="`get_stock_bars(…).df.to_csv()`; the symbol may be missing",
    ),
    Shape(
        "Stooq",
        "<TICKER>,<PER>,<DATE>,<TIME>,<OPEN>,<HIGH>,<LOW>,<CLOSE>,<VOL>,<OPENINT>",
        _STOOQ,
        note="`.US` is cut off the ticker; the span is in <PER>, in minutes",
    ),
    Shape(
        "TradingView",
        "time,open,high,low,close,Volume",
        _bars("time", volume="Volume"),
        stamp="start", exact=True,
        note="*Export chart data…* with the indicator Volume on the chart; the symbol from names like `BATS_AAPL, 1.csv`",
    ),
    Shape(
        "yfinance",
        "Datetime,Open,High,Low,Close,Volume",
        {"time": "Datetime"} | {name: name.title() for name in _OHLCV},
        stamp="start", exact=True,
        note="`Adj Close` is not read; also without an offset, then as any bars",
    ),
    Shape(
        "yfinance, three header lines",
        "Price,Close,High,Low,Open,Volume",
        {"time": "Price"} | {name: name.title() for name in _OHLCV},
        stamp="start", exact=True,
        note="the second line begins with `Ticker` and names the symbol, the third with `Datetime`",
    ),
    Shape(
        "bars with date and time apart",
        "date,time,open,high,low,close,volume",
        {"date": "date"} | _bars("time", symbol="symbol|ticker"),
        optional=_SYMBOL, note="dates as YYYY-MM-DD or YYYYMMDD",
    ),
    Shape(
        "pandas bars",
        "datetime,open,high,low,close,volume",
        _bars("datetime|timestamp|time|date|", symbol="symbol|ticker"),
        optional=_SYMBOL, note="also `timestamp`, `time`, `date` or no name for the time",
    ),
    Shape(
        "plain trades",
        "time,symbol,price,size",
        {"time": "time|timestamp|datetime", "symbol": "symbol|ticker", "price": "price", "size": "size"},
        parser="plain_trades", optional=_SYMBOL,
        note="the symbol may be missing",
    ),
)  # fmt: skip

#: Kibot's files have no header: MM/DD/YYYY, a time of day, then prices, by number of columns.
_KIBOT_NOTE = "no header; New York time, a bar is stamped at its start; take the unadjusted files"
KIBOT = (
    Shape(
        "Kibot bars", "MM/DD/YYYY,HH:MM,Open,High,Low,Close,Volume",
        {"mdy": "0", "time": "1", "open": "2", "high": "3", "low": "4", "close": "5", "volume": "6"},
        zone=NEW_YORK, stamp="start", note=_KIBOT_NOTE,
    ),
    Shape(
        "Kibot ticks", "MM/DD/YYYY,HH:MM:SS,Price,Bid,Ask,Size",
        {"mdy": "0", "time": "1", "price": "2", "size": "5"},
        parser="plain_trades", zone=NEW_YORK, in_order=True, note=_KIBOT_NOTE,
    ),
    Shape(
        "Kibot trades", "MM/DD/YYYY,HH:MM:SS,Price,Size",
        {"mdy": "0", "time": "1", "price": "2", "size": "3"},
        parser="plain_trades", zone=NEW_YORK, in_order=True, note=_KIBOT_NOTE,
    ),
)  # fmt: skip
_KIBOT_ROW = re.compile(r"[0-9]{2}/[0-9]{2}/[0-9]{4}\Z")
_CLOCK = re.compile(r"[0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?\Z")


def cells_of(line: str) -> list[str]:
    """The cells of one line. Quotes end in their own line: no market data holds line ends. Raises csv.Error."""
    words = line.strip("\r\n\ufeff")
    return words.split(",") if '"' not in words else next(csv.reader((words,), strict=True), [])


def layout_of(lines: Sequence[str], columns: str | None) -> Layout:
    """The layout of a file that begins with these lines (three are enough); `columns` is the option `--columns`.

    Raises UnknownShape, and csv.Error where the first line is no row of a table."""
    first = cells_of(lines[0])
    if columns is not None:
        return _by_columns(first, columns)
    if _KIBOT_ROW.match(first[0]):
        return _kibot(first)
    names = [cell.strip() for cell in first]
    plain = [_plain(name) for name in names]
    for shape in SHAPES:
        at = _matched(shape, names if shape.exact else plain)
        if at is None:
            continue
        if shape.name.startswith("yfinance, three"):
            return _three_lines(shape, at, lines)
        return Layout(shape, at, len(names), [first])
    raise UnknownShape(_explained(names, plain))


def _plain(name: str) -> str:
    return name.strip("<> ").lower()


def _required(shape: Shape) -> list[str]:
    return [name for role, name in shape.roles.items() if role not in shape.optional]


def _matched(shape: Shape, names: Sequence[str]) -> dict[str, int] | None:
    """Role -> column of a header that has this shape; None where it has not."""
    for name in _required(shape):
        if not any(word in names for word in name.split("|")):
            return None
    at = {}
    for role, name in shape.roles.items():
        found = [word for word in name.split("|") if word in names]
        if found:
            at[role] = names.index(found[0])
    return at


def _kibot(first: Sequence[str]) -> Layout:
    if len(first) > 1 and _CLOCK.match(first[1]):
        for shape in KIBOT:
            if len(first) == shape.header.count(",") + 1:
                return Layout(shape, {role: int(n) for role, n in shape.roles.items()}, len(first))
    raise UnknownShape(
        f"no header, and {len(first)} columns that begin {','.join(first)[:60]!r}: Kibot's files of minutes or ticks have "
        f"{', '.join(shape.header for shape in KIBOT)}; daily bars cannot be replayed"
    )


def _three_lines(shape: Shape, at: dict[str, int], lines: Sequence[str]) -> Layout:
    heads = [cells_of(line) for line in lines[:3]]
    if (
        len(heads) < 3
        or heads[1][0].strip() != "Ticker"
        or heads[2][0].strip() not in ("Datetime", "Date", "Timestamp")
    ):
        raise UnknownShape(
            "begins like yfinance's three header lines, but the next two are not Ticker,… and Datetime,…"
        )
    tickers = {cell.strip() for cell in heads[1][1:]}
    if len(tickers) != 1:
        raise UnknownShape(f"holds {len(tickers)} symbols side by side: write one file a symbol")
    return Layout(shape, at, len(heads[0]), heads, tickers.pop())


def _by_columns(first: list[str], columns: str) -> Layout:
    """The layout that `--columns` gives: roles in order, or ``role=name`` pairs of a header."""
    words = [word.strip() for word in columns.split(",")]
    names = [cell.strip() for cell in first]
    pairs = [word.partition("=")[::2] for word in words if "=" in word]
    if pairs and len(pairs) < len(words):
        raise UnknownShape("--columns takes either names in order or role=name pairs, not both")
    roles = [role for role, _ in pairs] or words
    wrong = sorted(set(roles) - ROLES)
    if wrong or any(roles.count(role) > 1 for role in set(roles) - {"-"}):
        raise UnknownShape(f"--columns takes each of {', '.join(sorted(ROLES))} at most once, not {wrong or roles}")
    if pairs:
        missing = [name for _, name in pairs if name not in names]
        if missing:
            raise UnknownShape(f"--columns names {missing[0]!r}, the header has {_shown(names)}")
        at = {role: names.index(name) for role, name in pairs if role != "-"}
    else:
        if len(words) != len(first):
            raise UnknownShape(f"--columns names {len(words)} columns, the first line has {len(first)}")
        at = {role: n for n, role in enumerate(words) if role != "-"}
    headed = bool(pairs) or not any(char.isdigit() for cell in first for char in cell)
    return Layout(_given(at), at, len(first), [first] if headed else [])


def _given(at: Mapping[str, int]) -> Shape:
    """A shape made of the roles that `--columns` named. Raises UnknownShape where they are neither trades nor bars."""
    dates = [role for role in ("date", "mdy", "dmy") if role in at]
    if "time" not in at or len(dates) > 1:
        raise UnknownShape("--columns needs time, or one of date, mdy and dmy beside a time of day in time")
    bars = [role for role in _OHLCV if role in at]
    trade = [role for role in ("price", "size") if role in at]
    if len(trade) == 2 and not bars:
        return Shape("the columns given", "", {}, parser="plain_trades")
    if len(bars) == len(_OHLCV) and not trade:
        return Shape("the columns given", "", {})
    raise UnknownShape("--columns needs price and size for trades, or open, high, low, close and volume for bars")


def _shown(names: Sequence[str]) -> str:
    """A header for an error: short, and without what steers a terminal."""
    return printable(",".join(names[:100])[:200])


def _likeness(shape: Shape, found: Sequence[str]) -> float:
    """How like the columns that were found are to those that the shape needs, from 0 to 1."""
    needed = [name.lower().split("|") for name in _required(shape)]
    return sum(
        max(difflib.SequenceMatcher(None, word, other[:20]).ratio() for word in words for other in found)
        for words in needed
    ) / len(needed)


def _explained(names: Sequence[str], plain: Sequence[str]) -> str:
    """What was found, what is known, and the nearest of it."""
    shown = _shown(names)
    if len(names) == 1 and (found := re.search(r"[;\t|]", shown)):
        return f"its columns are separated by {found[0]!r}, not by commas: {shown[:100]!r}"
    known = ", ".join(f"{shape.name} ({shape.header})" for shape in (*SHAPES, *KIBOT))
    nearest = max(SHAPES, key=lambda shape: _likeness(shape, plain[:40]))
    missing = [
        name.replace("|", " or ").removesuffix(" or ")
        for name in _required(nearest)
        if not any(word in (names if nearest.exact else plain) for word in name.split("|"))
    ]
    return (
        f"unknown header; found: {shown}; nearest: {nearest.name}, which also has {', '.join(missing)}; known: {known}; "
        "any other with --columns"
    )
