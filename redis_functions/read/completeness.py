"""How complete a trading day is: every minute of every symbol is live, repaired or missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from market.bar import MINUTE_MS
from market.calendar import Hours
from redis_functions.read.gaps import EVERY_SYMBOL, OPEN, REPAIRED, UNREPAIRABLE, Gap

#: Minutes of the day by their number since the tape began to run, the end excluded.
Span = tuple[int, int]


class Coverage(NamedTuple):
    """Minutes of symbols of the day so far: two symbols in one minute are two minutes.

    `missing`: a gap that is open or unrepairable touches them; `repaired`: only repaired gaps do; `live`: no gap at all.
    Silence is no gap. `fraction` = 1 - missing / all, and 1 of nothing.
    """

    fraction: float
    live: int
    repaired: int
    missing: int


class Completeness(NamedTuple):
    """Gaps by the state they are in, and the coverage of the day."""

    open: int
    repaired: int
    unrepairable: int
    coverage: Coverage


def completeness(gaps: Sequence[Gap], symbols: int, hours: Hours, now: int) -> Completeness:
    """Of all `gaps`, for the statistics; see `coverage`."""
    states = [gap.state for gap in gaps]
    counts = (states.count(OPEN), states.count(REPAIRED), states.count(UNREPAIRABLE))
    return Completeness(*counts, coverage(gaps, symbols, hours, now))


def coverage(gaps: Iterable[Gap], symbols: int, hours: Hours, now: int) -> Coverage:
    """The coverage of so many symbols from the opening of `hours` to `now`, the running minute included, or to the close."""
    minutes = max(0, -(-(min(now, hours.close) - hours.open) // MINUTE_MS))
    listed = list(gaps)
    if not symbols and any(gap.state != REPAIRED for gap in listed):
        symbols = 1  # something is missing, though no symbol was seen yet
    touched = _touched(listed, symbols, hours.open, minutes)
    missing = _touched([gap for gap in listed if gap.state != REPAIRED], symbols, hours.open, minutes)
    total = symbols * minutes
    # Rounded down: a day that is not whole never reads as whole.
    fraction = (total - missing) * 1_000_000 // total / 1_000_000 if total else 1.0
    return Coverage(fraction, total - touched, touched - missing, missing)


def _touched(gaps: Sequence[Gap], symbols: int, opens: int, minutes: int) -> int:
    """How many minutes of symbols the gaps touch, each counted once however many gaps do."""
    shared_spans: list[Span] = []
    single: dict[str, list[Span]] = {}
    for gap in gaps:
        span = _span(gap, opens, minutes)
        if span[0] >= span[1]:
            continue
        if EVERY_SYMBOL in gap.symbols:
            shared_spans.append(span)
            continue
        for symbol in gap.symbols:
            single.setdefault(symbol, []).append(span)
    shared_spans = _union(shared_spans)
    shared = _length(shared_spans)
    own = sum(_length(_union(shared_spans + spans)) - shared for spans in single.values())
    return min(symbols * shared + own, symbols * minutes)


def _span(gap: Gap, opens: int, minutes: int) -> Span:
    """The minutes that a gap touches. Where its begin or end is not known yet it reaches to the bound; a gap between two
    events of one instant touches that instant."""
    begin = 0 if gap.start is None else (gap.start - opens) // MINUTE_MS
    if gap.end is None:
        return max(0, begin), minutes
    last = gap.end if gap.start is None else max(gap.end, gap.start + 1)
    return max(0, begin), min(minutes, -(-(last - opens) // MINUTE_MS))


def _union(spans: Sequence[Span]) -> list[Span]:
    """The same minutes in spans that do not touch, ascending."""
    merged: list[Span] = []
    for begin, end in sorted(spans):
        if merged and begin <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((begin, end))
    return merged


def _length(spans: Iterable[Span]) -> int:
    return sum(end - begin for begin, end in spans)
