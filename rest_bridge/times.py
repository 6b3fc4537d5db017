"""How a request names a time: epoch ms, RFC 3339, a date, `now`, or a span before it."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from datetime import date, datetime

from market.sessions import trading_day

#: Integers beyond 2**53 are not exact in JSON readers.
MAX_INTEGER = 2**53
#: A whole number below it (the year 1973 in ms, 5138 in seconds) is taken for epoch seconds.
_SECONDS_BELOW = 10**11
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000, "w": 604_800_000}
_DIGITS = re.compile(r"[0-9]{1,16}\Z")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}\Z")
_BEFORE_NOW = re.compile(r"(?:now)?-([0-9]{1,9})([smhdw])\Z")
#: A plus in a URL that is not escaped arrives as a blank.
_INSTANT = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}(?::[0-9]{2})?)(?:\.([0-9]{1,9}))?([Zz]|[+ -][0-9]{2}:?[0-9]{2})?\Z"
)
EXPECTED = (
    "expected epoch milliseconds such as 1760103000000, RFC 3339 with a zone such as 2025-10-10T09:30:00-04:00, a date such as "
    "2025-10-10 (New York), now, -15m, -1h or -5d"
)


def read_from(text: str) -> int:
    """The time as epoch ms; a date is its New York midnight. Raises ValueError with words for the user."""
    return _read(text, lambda day: trading_day(day).start)


def read_to(text: str) -> int:
    """The time as epoch ms; a date is the last ms of that New York day. Raises ValueError with words for the user."""
    return _read(text, lambda day: trading_day(day).end - 1)


def _read(text: str, of_day: Callable[[date], int]) -> int:
    try:
        t = _time(text, of_day)
    except (ValueError, OverflowError) as error:
        hint = f"{error}; " if isinstance(error, _Hint) else ""
        raise ValueError(f"{text[:40]!r}: {hint}{EXPECTED}") from None
    if not 0 <= t <= MAX_INTEGER:
        raise ValueError(f"{text[:40]!r} lies before 1970 or too far ahead")
    return t


class _Hint(ValueError):
    """What was probably meant."""


def _time(text: str, of_day: Callable[[date], int]) -> int:
    if _DIGITS.match(text):
        t = int(text)
        if 0 < t < _SECONDS_BELOW:
            raise _Hint(f"epoch seconds? In milliseconds that is {t * 1000}")
        return t
    if text == "now":
        return now_ms()
    if before := _BEFORE_NOW.match(text):
        return now_ms() - int(before[1]) * _UNIT_MS[before[2]]
    if _DATE.match(text):
        return of_day(date.fromisoformat(text))
    if instant := _INSTANT.match(text):
        return _instant(*instant.groups())
    raise ValueError


def _instant(day: str, clock: str, fraction: str | None, zone: str | None) -> int:
    if zone is None:
        raise _Hint(f"a zone is missing, as in {day}T{clock}-04:00 or {day}T{clock}Z")
    offset = "+00:00" if zone in "Zz" else zone.replace(" ", "+")
    ms = int((fraction or "0").ljust(3, "0")[:3])
    return int(datetime.fromisoformat(f"{day}T{clock}{offset}").timestamp()) * 1000 + ms


def now_ms() -> int:
    """The machine's clock, epoch ms."""
    return time.time_ns() // 1_000_000
