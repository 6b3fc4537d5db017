"""How the rows of a file are read, from the file and the options. Nothing is guessed: what neither states
is an error that shows what the first row would be."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import NamedTuple

from market.sessions import NEW_YORK
from market.symbols import is_symbol
from simulator.csv_rows import MINUTE_MS, SECOND_MS, Cells, Reading, stamp_of, symbol_of
from simulator.csv_shapes import Layout, Side
from simulator.csv_values import NoTimeOfDay, NoZone, time_ms

DAY_MS = 86_400_000
_UNITS_MS = {"s": SECOND_MS, "m": MINUTE_MS, "h": 3_600_000, "d": DAY_MS, "w": 7 * DAY_MS}

#: A span in a file's name: ``AAPL_1min.csv``, ``NVDA-5m.csv``, and TradingView's ``BATS_AAPL, 1.csv`` and ``, 1S``.
_NAMED_SPAN = re.compile(
    r"[_\-. ](\d{1,4}) ?-?(s|m|h|d|w)(?:ecs?|econds?|ins?|inutes?|ours?|rs?|ays?|eeks?)?(?=[_\-. ]|\Z)", re.IGNORECASE
)
_CHART_SPAN = re.compile(r", (\d{1,4})?([SDWMH]?)(?=[_. ]|\Z)")
_WORD_SPANS = {"daily": DAY_MS, "hourly": 3_600_000, "weekly": 7 * DAY_MS}
#: The vendor's flat files have it in the name of their folder.
_FOLDER_SPANS = {"minute_aggs": MINUTE_MS, "day_aggs": DAY_MS}

#: Spans that bars come in: no two bars are so far apart by chance alone.
_SPANS_MS = frozenset(
    [n * SECOND_MS for n in (1, 2, 3, 5, 10, 12, 15, 20, 30)]
    + [n * MINUTE_MS for n in (1, 2, 3, 4, 5, 6, 10, 12, 15, 20, 30)]
    + [n * 3_600_000 for n in (1, 2, 3, 4, 6, 8, 12, 24)]
)
#: Each of them but a second is a multiple of one of these.
_FACTORS_MS = (2 * SECOND_MS, 3 * SECOND_MS, 5 * SECOND_MS)
_SUFFIXES = re.compile(r"(?:\.(?:csv|txt|gz|zst|zstd))+\Z", re.IGNORECASE)

#: A symbol in a file's name: before a span, TradingView's after its exchange, or the whole name. It begins with a capital, and
#: its classes are short, so that no date is taken for a part of it: ``BRK.B``, ``KIMpL``, ``BAC-PL``.
_TICKER = r"[A-Z][A-Za-z0-9]{0,9}(?:[.\-][A-Za-z]{1,3}){0,2}"
_SYMBOL_NAMES = (
    re.compile(rf"({_TICKER})[_\-. ]\d{{1,2}} ?(?i:min|m|sec|s)\Z"),
    re.compile(rf"(?:[A-Z]+_)*({_TICKER}), \w+"),
    re.compile(rf"({_TICKER})(?:_(?:un)?adjusted)?\Z"),
)


class CannotRead(ValueError):
    """The file cannot be read as requested; the message has the remedy."""


@dataclass(frozen=True)
class Options:
    """The options of the user: `columns` as given, `span_ms` one of a second or a minute."""

    symbol: str | None = None
    zone: tzinfo | None = None
    stamp: Side | None = None
    span_ms: int | None = None
    columns: str | None = None


class Row(NamedTuple):
    """A row of the sample: its line's number and its cells."""

    number: int
    cells: Cells


class _Stamped(NamedTuple):
    row: Row
    symbol: str
    t: int


def settle(path: Path, layout: Layout, options: Options, sample: Sequence[Row]) -> Reading:
    """How to read a file, from its layout and its first rows. Raises CannotRead."""
    if not sample:
        raise CannotRead("holds no rows")
    shape = layout.shape
    zone = options.zone or shape.zone
    stamps, local = _stamps(layout, sample, zone)
    span = _span(path, layout, options, stamps) if shape.bars else MINUTE_MS
    # What a source documents of its stamps holds for stamps as it writes them.
    stamp = options.stamp or (shape.stamp if local is None or shape.zone else None)
    missing = ["--tz"] * (local is not None and zone is None) + ["--stamp"] * (shape.bars and stamp is None)
    if missing:
        raise CannotRead(_unsaid(layout, local or sample[0], missing, zone, span))
    symbol = options.symbol or layout.symbol
    if symbol is None and "symbol" not in layout.at:
        symbol = _symbol_of(path)
    return Reading(symbol, zone, stamp or "start", span)


def _stamps(layout: Layout, sample: Sequence[Row], zone: tzinfo | None) -> tuple[list[_Stamped], Row | None]:
    """The rows whose symbol and time can be read, and the first whose stamp has no offset. Raises CannotRead without any.

    Where no zone is given the times are as if of UTC: good for the distances between them."""
    text_of, name_of = stamp_of(layout), symbol_of(layout, None)
    stamps: list[_Stamped] = []
    local: Row | None = None
    problem = daily = ""
    for row in sample:
        try:
            text, name = text_of(row.cells), name_of(row.cells)
            try:
                t = time_ms(text, None)
            except NoZone:
                t = time_ms(text, zone or UTC)
                local = local or row
        except (ValueError, OverflowError) as error:
            problem = problem or f"line {row.number}: {error}"
            daily = daily or (problem if isinstance(error, NoTimeOfDay) else "")
            continue
        stamps.append(_Stamped(row, name, t))
    if stamps:
        return stamps, local
    if daily:
        raise CannotRead(f"holds daily bars: only trades, second and minute bars can be replayed ({daily})")
    raise CannotRead(f"none of its first {len(sample)} rows can be read: {problem}")


def _unsaid(layout: Layout, row: Row, missing: Sequence[str], zone: tzinfo | None, span: int) -> str:
    """What the file does not state, with both readings of its first row."""
    text = stamp_of(layout)(row.cells)
    what = {"--tz": "the time zone of its stamps", "--stamp": "whether a bar is stamped at its start or end"}
    readings = []
    if "--tz" in missing:
        both = [(name, _clock(time_ms(text, zone))) for name, zone in (("America/New_York", NEW_YORK), ("UTC", UTC))]
        readings.append(" and ".join(f"{clock} UTC with --tz {name}" for name, clock in both))
    if "--stamp" in missing:
        t = time_ms(text, zone or UTC)
        utc = "" if "--tz" in missing else " UTC"
        readings.append(
            f"the bar of {_clock(t)} to {_clock(t + span)}{utc} with --stamp start and "
            f"of {_clock(t - span)} to {_clock(t)}{utc} with --stamp end"
        )
    asked = " and ".join("--stamp start|end" if word == "--stamp" else f"{word} ZONE" for word in missing)
    return (
        f"does not state {' nor '.join(what[word] for word in missing)}: give {asked}; "
        f"line {row.number}, {text!r}, is {'; it is '.join(readings)}"
    )


def _clock(t: int) -> str:
    stamp = datetime.fromtimestamp(t // 1000, UTC)
    return stamp.strftime("%Y-%m-%d %H:%M" if stamp.second == 0 else "%Y-%m-%d %H:%M:%S")


# --- the span of a bar


def _span(path: Path, layout: Layout, options: Options, stamps: Sequence[_Stamped]) -> int:
    """The span of a file's bars in ms: as given, as the file or its name states, else from the distances of its bars.

    Raises CannotRead where it is neither a second nor a minute, or not to be known."""
    closest, common = _distances(stamps)
    span = options.span_ms or _column_span(layout, stamps[0].row) or _name_span(path)
    if span is None:
        span = _span_of_distances(closest, common)
    elif not options.span_ms and closest is not None and closest >= DAY_MS > span:
        span = DAY_MS  # 1m may be a month
    if span not in (SECOND_MS, MINUTE_MS):
        hint = "" if span >= DAY_MS else "; if they are shorter, with gaps between them, give --span 1s or --span 1m"
        raise CannotRead(f"holds {_bars_of(span)}: only trades, second and minute bars can be replayed{hint}")
    inside = next((stamped.row for stamped in stamps if stamped.t % span), None)
    if inside is not None:
        text = stamp_of(layout)(inside.cells)
        raise CannotRead(f"should hold {_bars_of(span)}, but line {inside.number} is stamped inside one, {text!r}")
    return span


def _distances(stamps: Sequence[_Stamped]) -> tuple[int | None, int]:
    """The shortest distance of two neighbouring bars of a symbol (None without two), and the greatest common divisor of
    all distances, both in ms."""
    last: dict[str, int] = {}
    closest: int | None = None
    common = 0
    for _, name, t in stamps:
        distance = abs(t - last.get(name, t))
        last[name] = t
        if distance:
            closest = min(closest or distance, distance)
            common = math.gcd(common, distance)
    return closest, common


def _span_of_distances(closest: int | None, common: int) -> int:
    """The span that the distances of bars leave no doubt of. Raises CannotRead.

    Bars lie whole multiples of their span apart. So it is the common distance where two neighbours are just so far apart,
    and a second where no longer span fits."""
    if closest == common and common in _SPANS_MS:
        return common
    if closest is not None and closest > DAY_MS - 2 * 3_600_000:  # across a change of the clocks a day has 23 hours
        return DAY_MS
    if common and common % SECOND_MS == 0 and all(common % factor for factor in _FACTORS_MS):
        return SECOND_MS
    raise CannotRead("does not state how long its bars are: give --span 1s or --span 1m")


def _column_span(layout: Layout, row: Row) -> int | None:
    """The span that Stooq's column <PER> holds: minutes, or D."""
    at = layout.at.get("per")
    if at is None:
        return None
    text = row.cells[at].strip().upper()
    if text.isascii() and text.isdigit() and 0 < len(text) < 5:
        return int(text) * MINUTE_MS
    if text in ("D", "W", "M", "Q", "Y"):
        return DAY_MS
    raise CannotRead(f"line {row.number}: {text[:20]!r} in <PER> is neither a number of minutes nor D")


def _name_span(path: Path) -> int | None:
    """The span in the name of a file, or for the vendor's flat files in the name of its folder."""
    stem = _SUFFIXES.sub("", path.name)
    for word, span in _FOLDER_SPANS.items():
        if word in path.as_posix():
            return span
    for word, span in _WORD_SPANS.items():
        if stem.endswith(f"_{word}"):
            return span
    chart = _CHART_SPAN.search(stem)
    if chart and (chart[1] or chart[2]):
        unit = {"": "m", "M": "w"}.get(chart[2], chart[2].lower())
        return int(chart[1] or 1) * _UNITS_MS[unit]
    named = _NAMED_SPAN.search(stem)
    return int(named[1]) * _UNITS_MS[named[2].lower()] if named else None


def _bars_of(span: int) -> str:
    if span >= DAY_MS:
        return "daily bars" if span == DAY_MS else f"bars of {timedelta(milliseconds=span).days} days"
    return "minute bars" if span == MINUTE_MS else "second bars" if span == SECOND_MS else f"bars of {span / 1000:g} s"


def _symbol_of(path: Path) -> str:
    stem = _SUFFIXES.sub("", path.name)
    for pattern in _SYMBOL_NAMES:
        found = pattern.match(stem)
        if found and is_symbol(found[1]):
            return found[1]
    raise CannotRead("does not state its symbol, and its name is not like SYMBOL.csv or SYMBOL_1min.csv: give --symbol")
