"""How much of the trading day was seen: market hours, and gaps measured in symbol-minutes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, time
from typing import NamedTuple

from market.sessions import NEW_YORK, TradingDay
from redis_functions.gaps_reader import EVERY_SYMBOL, REPAIRED, Gap

#: The tape runs from the first pre-market print to the end of the post-market, New York time.
TAPE_OPENS, TAPE_CLOSES = time(4), time(20)
_SATURDAY = 5
_MINUTE_MS = 60_000

Interval = tuple[int, int]


class Coverage(NamedTuple):
    """Symbol-minutes of the day so far: one symbol missing for one open minute is one missing minute.

    `missing`: in gaps open or unrepairable; `live` = all - missing - repaired; `fraction` = 1 - missing / all.
    """

    fraction: float
    live: float
    repaired: float
    missing: float


def market_hours(day: TradingDay, always_open: bool) -> Interval:
    """When the market of a New York day is open, epoch ms: 04:00 to 20:00 on weekdays (holidays are not known here),
    the whole day where it never closes."""
    if always_open:
        return day.start, day.end
    if day.date.weekday() >= _SATURDAY:
        return day.start, day.start
    opens, closes = (
        int(datetime.combine(day.date, at, NEW_YORK).timestamp()) * 1000 for at in (TAPE_OPENS, TAPE_CLOSES)
    )
    return opens, closes


def coverage(gaps: Sequence[Gap], symbols: int, hours: Interval, now: int) -> Coverage:
    """The coverage of so many symbols between `hours[0]` and `now` (or `hours[1]`, if that is earlier)."""
    begin, end = hours[0], min(now, hours[1])
    total = symbols * max(0, end - begin) / _MINUTE_MS
    missing = _symbol_minutes([g for g in gaps if g.state != REPAIRED], symbols, (begin, end))
    repaired = _symbol_minutes(gaps, symbols, (begin, end)) - missing
    live = total - missing - repaired
    fraction = 1.0 - missing / total if total else 1.0
    return Coverage(round(fraction, 6), round(live, 3), round(repaired, 3), round(missing, 3))


def _symbol_minutes(gaps: Sequence[Gap], symbols: int, within: Interval) -> float:
    """What the gaps cover, each minute of a symbol counted once however many gaps cover it."""
    everybody = [_clipped(gap, within) for gap in gaps if EVERY_SYMBOL in gap.symbols]
    single: dict[str, list[Interval]] = {}
    for gap in gaps:
        for symbol in gap.symbols if EVERY_SYMBOL not in gap.symbols else ():
            single.setdefault(symbol, []).append(_clipped(gap, within))
    shared = _length(everybody)
    total = symbols * shared + sum(_length(everybody + own) - shared for own in single.values())
    return min(total, symbols * max(0, within[1] - within[0])) / _MINUTE_MS


def _clipped(gap: Gap, within: Interval) -> Interval:
    """A gap whose begin or end is not known yet reaches to the bound."""
    begin, end = within
    return max(begin, begin if gap.start is None else gap.start), min(end, end if gap.end is None else gap.end)


def _length(intervals: Sequence[Interval]) -> int:
    """Of the union."""
    length, reached = 0, 0
    for begin, end in sorted(intervals):
        length += max(0, end - max(begin, reached))
        reached = max(reached, end)
    return length
