"""Candles and closes of symbols, read from their series: the newest rows of a range, however sparse the symbol."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from redis import Redis

from market.sessions import day_of
from market.timeframes import STORED, Timeframe
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS
from redis_functions.read.candles import NONE, Candles, aggregate, all_known, join
from redis_functions.read.ranges import Range, Samples, Times, Values, read_edges, read_ranges

#: The last instant that a New York date can be told of (the year 9999), epoch ms.
END_OF_TIME = 253_370_000_000_000
#: Rows of the source that one query reads at most, over all its symbols.
MAX_SOURCE_ROWS = 400_000
#: New York days have up to 25 hours.
_HOURS_OF_A_DAY = 25
_SECOND_MS = 1_000
_FIELDS = tuple(FIELDS)
_PRICES = 4


def read_candles(
    client: Redis, symbols: Sequence[str], timeframe: Timeframe, start: int, end: int, limit: int
) -> list[Candles]:
    """For each symbol its newest `limit` candles that start in `start`..`end`, whole, the running one included."""
    end = min(end, END_OF_TIME)
    if start > end:
        return [NONE for _ in symbols]
    if timeframe.stored:
        found = _read(client, symbols, timeframe.source, _FIELDS, start, end, limit)
        return [Candles(part.t, part.v).complete()[-limit:] for part in found]
    if timeframe.daily:
        ratio, last = _HOURS_OF_A_DAY, day_of(end).end - 1
    else:
        ratio, last = timeframe.ms // timeframe.source_ms, end - end % timeframe.ms + timeframe.ms - 1
    want = min((limit + 1) * ratio, MAX_SOURCE_ROWS // len(symbols))
    found = _read(client, symbols, timeframe.source, _FIELDS, start, last, want)
    starts = [day_starts(part.t) if timeframe.daily else part.t - part.t % timeframe.ms for part in found]
    _raise_floors(client, found, starts, timeframe.source)
    return [_enlarge(part, begin)[-limit:] for part, begin in zip(found, starts, strict=True)]


def read_closes(client: Redis, symbols: Sequence[str], start: int, end: int, limit: int) -> list[Samples]:
    """For each symbol the closes (ticks) of its second bars in `start`..`end`: all, or at least the newest `limit`."""
    want = min(limit, MAX_SOURCE_ROWS // len(symbols))
    found = _read(client, symbols, "1s", ("close",), start, min(end, END_OF_TIME), want)
    return [Samples(part.t, part.v[0], part.floor > start) for part in found]


def _raise_floors(client: Redis, parts: Sequence[_Part], starts: Sequence[Times], source: str) -> None:
    """Raises the floor to what the source's retention keeps, where the oldest candle may have lost its beginning."""
    doubtful = [p for p, begin in zip(parts, starts, strict=True) if len(p.t) and p.floor <= begin[0] < p.t[0]]
    for part, edge in zip(
        doubtful, read_edges(client, [keys.series(p.symbol, source, "volume") for p in doubtful]), strict=True
    ):
        part.floor = max(part.floor, edge)


def _enlarge(part: _Part, starts: Times) -> Candles:
    # A candle that began before what was read is not whole; one that began before the range is not asked for.
    inside = starts >= part.floor
    return aggregate(Candles(part.t[inside], part.v[:, inside]), starts[inside]).complete()


def day_starts(times: Times) -> Times:
    """The New York midnight before each of the ascending `times`."""
    if not len(times):
        return times
    midnights = [day_of(int(times[0])).start]
    while (following := day_of(midnights[-1]).end) <= times[-1]:
        # A gap of years is stepped over, not walked through.
        at = int(np.searchsorted(times, following))
        midnights.append(day_of(int(times[at])).start)
    bounds = np.array(midnights, np.int64)
    return bounds[np.searchsorted(bounds, times, side="right") - 1]


@dataclass
class _Part:
    """What has been read of one symbol: everything from `floor` on."""

    symbol: str
    floor: int
    end: int
    page: int
    t: Times = field(default_factory=lambda: np.empty(0, np.int64))
    v: Values = field(default_factory=lambda: np.empty((0, 0)))
    done: bool = False


def _read(
    client: Redis, symbols: Sequence[str], timeframe: str, fields: Sequence[str], start: int, end: int, want: int
) -> list[_Part]:
    """Joined samples of `fields` that reach back to `start`, or at least to the newest `want` rows with all prices.

    Fields have times of their own, so the newest N of each need not be N rows: pages follow, each twice as long, until
    there are enough. Minute marks among the second bars are left out.
    """
    step = STORED[timeframe]
    parts = [_Part(symbol, start, end, want, v=np.empty((len(fields), 0))) for symbol in symbols]
    waiting = parts
    while waiting:
        ranges = []
        for part in waiting:
            count = 0 if (part.end - start) // step < part.page else part.page
            names = [keys.series(part.symbol, timeframe, name) for name in fields]
            ranges += [Range(name, start, part.end, count, latest=step > _SECOND_MS) for name in names]
        answers = read_ranges(client, ranges)
        for i, part in enumerate(waiting):
            _add(part, answers[i * len(fields) : (i + 1) * len(fields)], step, start, want)
        waiting = [part for part in waiting if not part.done]
    return parts


def _add(part: _Part, columns: Sequence[Samples], step: int, start: int, want: int) -> None:
    """Puts a page before what `part` has; it is done when nothing older is left or enough rows are there."""
    # A column that was cut says nothing about the time before its oldest sample.
    part.floor = max((int(c.t[0]) for c in columns if c.more), default=start)
    t, v = join(columns)
    keep = t >= part.floor
    if step == _SECOND_MS:
        keep &= t % _SECOND_MS == 0
    if not keep.all():
        t, v = t[keep], v[:, keep]
    part.t = np.concatenate([t, part.t]) if len(part.t) else t
    part.v = np.concatenate([v, part.v], axis=1) if part.v.size else v
    prices = part.v[:_PRICES]
    rows = len(part.t) if all_known(prices) else int((~np.isnan(prices)).all(axis=0).sum())
    part.done = part.floor <= start or rows >= want
    part.end = part.floor - 1
    part.page *= 2
