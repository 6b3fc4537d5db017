"""The cells of CSV files: numbers, prices, sizes, symbols and times. What can be read in two ways is an error."""

from __future__ import annotations

import contextlib
import math
import re
from datetime import UTC, datetime, timedelta, tzinfo

from market.limits import MAX_PRICE, MAX_TIME, MAX_VOLUME, MIN_PRICE
from market.symbols import is_symbol

_MAX_WHOLE = 2**63 - 1

_WHOLE = re.compile(r"[+-]?[0-9]{1,19}\Z")
#: Thousands separators that cannot be a decimal comma: two of them, or one with a decimal point behind it.
_GROUPED = re.compile(r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+(?:,[0-9]{3}|\.[0-9]*)\Z")
_ONE_GROUP = re.compile(r"[0-9]{1,3},[0-9]{3}\Z")

_ISO = re.compile(
    r"(?P<date>[0-9]{4}(?P<d>[-/]?)[0-9]{2}(?P=d)[0-9]{2})(?:[T ]+(?P<time>[0-9]{2}(?::?[0-9]{2}){1,2}(?:\.[0-9]{1,9})?)"
    r" ?(?P<offset>Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?)?)?\Z"
)
_EPOCH_NUMBER = re.compile(r"[0-9]{9,19}(?:\.[0-9]+)?\Z")
_SLASHED = re.compile(r"([0-9]{1,2})/([0-9]{1,2})/([0-9]{4})\Z")

#: Units of an epoch time, as what one second is; the years 1990 to 2100 of each overlap with no other's.
_UNITS = (1, 1_000, 1_000_000, 1_000_000_000)
_FIRST_S, _LAST_S = 631_152_000, 4_102_444_800

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)


class NoZone(ValueError):
    """A time without an offset, where no zone is given."""


class NoTimeOfDay(ValueError):
    """A date without a time of day."""


def number(text: str) -> float | int:
    """A finite number, an integer where it is whole; ``1,234,567`` and ``1,234.5`` are read. Raises ValueError."""
    value = _finite(text)
    if value is None:
        word = text.strip()
        value = _finite(word.replace(",", "")) if _GROUPED.match(word) else None
    if value is None:
        raise ValueError(f"{text[:20]!r} is not a number")
    return int(value) if value.is_integer() else value


def price(text: str) -> float:
    """A price within the limits of the feed. Raises ValueError, also on ``1,234``, which may be 1234 or 1.234."""
    value = _finite(text)
    if value is None:
        if _ONE_GROUP.match(text.strip()):
            raise ValueError(f"{text[:20]!r} may be read in two ways: write the price without a comma")
        with contextlib.suppress(ValueError):
            value = float(number(text))
    if value is None or not MIN_PRICE < value < MAX_PRICE:
        raise ValueError(f"{text[:20]!r} is not a price")
    return value


def size(text: str) -> float | int:
    """Shares: a number from 0 on; a single comma before three digits is a thousands separator. Raises ValueError."""
    value = _finite(text)
    if value is None:
        with contextlib.suppress(ValueError):
            value = float(number(text.replace(",", "") if _ONE_GROUP.match(text.strip()) else text))
    if value is None or not 0 <= value < MAX_VOLUME:
        raise ValueError(f"{text[:20]!r} is not a size")
    return int(value) if value.is_integer() else value


def _finite(text: str) -> float | None:
    """The text as a finite number; None for any other, and for digits of other scripts or ``1_000``, which Python reads."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if -math.inf < value < math.inf and text.isascii() and "_" not in text else None


def whole(text: str) -> int:
    """A whole number of at most 64 bits. Raises ValueError."""
    value = int(text) if _WHOLE.match(text.strip()) else _MAX_WHOLE + 1
    if not -_MAX_WHOLE <= value <= _MAX_WHOLE:
        raise ValueError(f"{text[:20]!r} is not a whole number of 64 bits")
    return value


def symbol(text: str) -> str:
    """A symbol as the store takes it. Raises ValueError."""
    word = text.strip()
    if not is_symbol(word):
        raise ValueError(f"{text[:20]!r} is not a symbol")
    return word


def checked_time(ms: int) -> int:
    """`ms` where it may be the time of a trade, epoch ms. Raises ValueError."""
    if not 0 < ms < MAX_TIME:
        raise ValueError(f"{ms} ms since 1970 is no time of a trade")
    return ms


def time_ms(text: str, zone: tzinfo | None) -> int:
    """Epoch ms of a stamp: ISO 8601 (an offset in it counts, else it is local time of `zone`), or a number of seconds,
    ms, µs or ns since 1970. Raises NoZone, NoTimeOfDay and ValueError."""
    try:
        stamp = datetime.fromisoformat(text if text[13] == ":" else "")
    except (ValueError, IndexError):
        word = text.strip()
        if _EPOCH_NUMBER.match(word):
            return _epoch_ms(word)
        stamp = _written_otherwise(word)
    if stamp.tzinfo is None:
        if zone is None:
            raise NoZone(f"{text[:30]!r} has no UTC offset")
        stamp = stamp.replace(tzinfo=UTC) if zone is UTC else _localized(stamp, zone)
    return checked_time((stamp - _EPOCH) // _MS)


def _written_otherwise(word: str) -> datetime:
    """A stamp with slashes, without separators, or with a space before its offset."""
    found = _ISO.match(word)
    if found is None:
        raise ValueError(f"{word[:30]!r} is neither an ISO 8601 time nor a number of seconds since 1970")
    if found["time"] is None:
        raise NoTimeOfDay(f"{word[:30]!r} is a date without a time of day")
    offset = found["offset"] or ""
    return datetime.fromisoformat(
        f"{found['date'].replace('/', '-')}T{found['time']}{'+00:00' if offset in ('Z', 'UTC') else offset}"
    )


def _epoch_ms(word: str) -> int:
    whole_part, _, fraction = word.partition(".")
    value = int(whole_part)
    # A number of 10, 13, 16 or 19 digits; few seconds before 2001 have 9.
    for unit in _UNITS[max(0, (len(whole_part) - 9) // 3) :]:
        if _FIRST_S * unit <= value < _LAST_S * unit:
            ms = value * 1000 // unit
            return checked_time(ms + int(fraction[:3].ljust(3, "0")) if unit == 1 and fraction else ms)
    raise ValueError(f"{word[:30]!r} is no time since 1970 in seconds, ms, µs or ns")


def _localized(stamp: datetime, zone: tzinfo) -> datetime:
    """The instant of a local time. Raises ValueError where clocks skip it or show it twice."""
    first, second = stamp.replace(tzinfo=zone), stamp.replace(tzinfo=zone, fold=1)
    if first.utcoffset() != second.utcoffset():
        raise ValueError(f"{stamp} comes twice or never in {zone}, as the clocks change: give it a UTC offset")
    return first


def joined_stamp(day: str, clock: str, order: str) -> str:
    """One ISO 8601 stamp of a date and a time of day in columns of their own; `order` is ``ymd``, ``mdy`` or ``dmy``.

    Raises ValueError for a date or time in another form.
    """
    word, clock = day.strip(), clock.strip()
    if order != "ymd":
        found = _SLASHED.match(word)
        if found is None:
            raise ValueError(f"{day[:20]!r} is not a date as {'MM/DD/YYYY' if order == 'mdy' else 'DD/MM/YYYY'}")
        first, second, year = found.groups()
        month, date = (first, second) if order == "mdy" else (second, first)
        word = f"{year}-{month:0>2}-{date:0>2}"
    if clock.isdigit() and len(clock) in (5, 6):  # Stooq's HHMMSS, whose leading 0 a spreadsheet drops
        clock = f"{clock:0>6}"
        clock = f"{clock[:2]}:{clock[2:4]}:{clock[4:]}"
    elif len(clock) in (4, 7) and clock[1] == ":":
        clock = f"0{clock}"
    return f"{word} {clock}" if clock else word
