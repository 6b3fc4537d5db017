"""Candles of the regular session alone, or of the hours before and after it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import islice
from typing import Literal, NamedTuple

import numpy as np
from redis import Redis

from market.calendar import tape_hours, trade_date
from market.holidays import is_trading_day
from market.sessions import TradingDay, trading_day
from market.timeframes import STORED, Timeframe
from redis_functions.contract import keys
from redis_functions.read.candles import NONE, Candles, aggregate
from redis_functions.read.ranges import Extent, Times, read_extents
from redis_functions.read.reader import (
    ALL_FIELDS,
    END_OF_TIME,
    MAX_SOURCE_ROWS,
    USUAL,
    Part,
    Which,
    limited,
    read_candles,
    read_parts,
    usable,
)

Session = Literal["regular", "extended"]

#: The regular session begins and ends at whole half hours, so candles of it are made of bars that divide one.
_HALF_HOUR_MS = 1_800_000
#: Trading days of one round trip at most.
_DAYS_AT_ONCE = 40
_LONGEST_DAY_MS = 16 * 3_600_000


class _Window(NamedTuple):
    """A part of a trade date, epoch ms, both included."""

    day: TradingDay
    start: int
    end: int


def read_candles_of(
    client: Redis,
    symbols: Sequence[str],
    timeframe: Timeframe,
    start: int,
    end: int,
    limit: int,
    session: Session | None,
    fields: Sequence[str] = ALL_FIELDS,
    which: Which = USUAL,
) -> list[Candles]:
    """As read_candles, of the bars of one session (None: of all). Those of the regular session are aligned to its begin, days to
    New York midnight. Made of bars of five minutes or less, they reach back as far as these are kept."""
    if session is None:
        return read_candles(client, symbols, timeframe, start, end, limit, fields, which)
    end = min(end, END_OF_TIME)
    if start > end:
        return [NONE for _ in symbols]
    source = max(
        (name for name, ms in STORED.items() if timeframe.ms % ms == 0 and _HALF_HOUR_MS % ms == 0),
        key=STORED.__getitem__,
    )
    names = [keys.series(symbol, *rest) for symbol in symbols for rest in ((source, "volume"), ("1s", "volume"))]
    extents = iter(read_extents(client, names))
    readings = [_Reading(symbol, _joined(next(extents), next(extents))) for symbol in symbols]
    wanted = _Wanted(timeframe, session, source, start, end, limit, fields, which)
    _read(client, [reading for reading in readings if reading.extent is not None], wanted)
    return [_candles(reading, wanted) for reading in readings]


class _Wanted(NamedTuple):
    timeframe: Timeframe
    session: Session
    source: str
    start: int
    end: int
    limit: int
    fields: Sequence[str]
    which: Which

    def starts(self, t: Times, day: TradingDay) -> Times:
        """The starts of the candles that bars of a trade date belong to."""
        if self.timeframe.daily:
            return np.full(len(t), day.start, np.int64)
        base = day.regular_open if self.session == "regular" else 0
        return t - (t - base) % self.timeframe.ms


@dataclass
class _Reading:
    """What has been read of a symbol: parts of its days with their trade dates, in the order of reading."""

    symbol: str
    extent: Extent | None
    parts: list[tuple[Part, TradingDay]] = field(default_factory=list)
    rows: int = 0
    stopped: bool = False

    def add(self, part: Part, day: TradingDay) -> None:
        if self.stopped:
            return  # what was read before this one already ended amid its day
        self.parts.append((part, day))
        self.rows += len(part.t)
        self.stopped = part.cut


def _joined(source: Extent | None, seconds: Extent | None) -> Extent | None:
    """The extent of a compacted series, up to the bars that its open bucket has."""
    if source is None or seconds is None:
        return source or seconds
    return Extent(source.first, max(source.last, seconds.last), source.kept_from)


def _read(client: Redis, readings: Sequence[_Reading], wanted: _Wanted) -> None:
    """Reads days in batches, from the newest or the oldest on, until each symbol has enough candles or its days are over."""
    if not readings:
        return
    extents = [reading.extent for reading in readings if reading.extent is not None]
    first = max(wanted.start, min(e.first for e in extents) - wanted.timeframe.ms)
    last = min(wanted.end, max(e.last for e in extents))
    windows = _windows(wanted, first, last)
    enough = min((wanted.limit + 1) * (wanted.timeframe.ms // STORED[wanted.source]), MAX_SOURCE_ROWS // len(readings))
    waiting = list(readings)
    days = max(1, min(_DAYS_AT_ONCE, 1 + enough * STORED[wanted.source] // (_LONGEST_DAY_MS // 2)))
    while waiting and (batch := list(islice(windows, days))):
        parts = [
            (reading, Part(reading.symbol, wanted.fields, w.start, w.end, enough, wanted.which), w.day)
            for w in batch
            for reading in waiting
        ]
        read_parts(client, wanted.source, [part for _, part, _ in parts])
        for reading, part, day in parts:
            reading.add(part, day)
        waiting = [r for r in waiting if not r.stopped and len(_starts(r, wanted)) <= wanted.limit]
        days = min(_DAYS_AT_ONCE, 2 * days)


def _windows(wanted: _Wanted, first: int, last: int) -> Iterator[_Window]:
    """The spans of the session in which candles that start in the range have bars: from the newest or the oldest on."""
    # A candle that starts at the range's end has bars beyond it, perhaps of the next trade date.
    beyond = 0 if wanted.timeframe.daily else wanted.timeframe.ms
    day, final = trade_date(first).date, trade_date(max(first, last + beyond)).date
    days = [day + timedelta(days=n) for n in range((final - day).days + 1)]
    for date in days if wanted.which.oldest else reversed(days):
        if not is_trading_day(date):
            continue
        today = trading_day(date)
        hours = tape_hours(today)
        spans = [(today.regular_open, today.regular_close)]
        if wanted.session == "extended":
            spans = [(hours.open, today.regular_open), (today.regular_close, hours.close)]
        for begin, close in spans if wanted.which.oldest else reversed(spans):
            low, high = begin, close - 1
            if not wanted.timeframe.daily:
                low = max(low, wanted.start)
                high = min(high, wanted.end + wanted.timeframe.ms)
            if low <= high:
                yield _Window(today, low, high)


def _starts(reading: _Reading, wanted: _Wanted) -> Times:
    """The candles of what was read."""
    starts = [wanted.starts(part.t, day) for part, day in reading.parts if len(part.t)]
    return np.unique(np.concatenate(starts)) if starts else np.empty(0, np.int64)


def _candles(reading: _Reading, wanted: _Wanted) -> Candles:
    parts = [(part, day) for part, day in reading.parts if len(part.t)]
    if not parts:
        return NONE
    if not wanted.which.oldest:
        parts.reverse()
    starts = np.concatenate([wanted.starts(part.t, day) for part, day in parts])
    rows = [part.candles() for part, _ in parts]
    candles = Candles(np.concatenate([r.t for r in rows]), np.concatenate([r.fields for r in rows], axis=1))
    inside = (starts >= wanted.start) & (starts <= wanted.end) & _whole(reading, parts, starts, wanted)
    edge = parts[-1][0] if wanted.which.oldest else parts[0][0]
    found = usable(aggregate(Candles(candles.t[inside], candles.fields[:, inside]), starts[inside]), edge)
    edge.cut = reading.stopped
    return limited(found, edge, wanted.limit)


def _whole(
    reading: _Reading, parts: Sequence[tuple[Part, TradingDay]], starts: Times, wanted: _Wanted
) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Which bars belong to candles of which everything was read, and is still kept."""
    assert reading.extent is not None
    whole: np.ndarray[tuple[int], np.dtype[np.bool_]] = np.ones(len(starts), np.bool_)
    first, last = parts[0][0], parts[-1][0]
    if wanted.which.oldest and last.cut:
        whole &= starts < starts[-1]
    if not wanted.which.oldest and first.cut:
        whole &= starts >= first.floor
    if starts[0] < reading.extent.kept_from:
        whole &= starts >= reading.extent.kept_from
    return whole
