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
from redis_functions.read.candles import NONE, Candles, aggregate, all_known, join, without_impossible
from redis_functions.read.ranges import Range, Samples, Times, Values, read_edges, read_ranges

#: The last instant with a New York date (the year 9999), epoch ms.
END_OF_TIME = 253_370_000_000_000
#: Rows of the source that one query reads at most, over all its symbols: 0.2 s of CPU, which nobody else gets meanwhile.
MAX_SOURCE_ROWS = 200_000
#: New York days have up to 25 hours.
_HOURS_OF_A_DAY = 25
_SECOND_MS = 1_000
#: Of a candle, in the order of Candles.fields.
ALL_FIELDS = tuple(FIELDS)
_PRICES = 4


@dataclass(frozen=True)
class Which:
    """Which candles of a range are read. `oldest`: the oldest so many of it, not the newest. `unpriced`: also spans in which only
    volume traded, with prices NaN."""

    oldest: bool = False
    unpriced: bool = False


#: The newest candles with all prices.
USUAL = Which()


def read_candles(
    client: Redis,
    symbols: Sequence[str],
    timeframe: Timeframe,
    start: int,
    end: int,
    limit: int,
    fields: Sequence[str] = ALL_FIELDS,
    which: Which = USUAL,
) -> list[Candles]:
    """For each symbol its newest (or oldest) `limit` candles that start in `start`..`end`, whole, the running one included.

    `fields`: only these are read, in the order of ALL_FIELDS and with at least one price; the others are NaN.
    """
    end = min(end, END_OF_TIME)
    if start > end:
        return [NONE for _ in symbols]
    if timeframe.stored:
        want = limit + 1
        found = [Part(symbol, fields, start, end, want, which) for symbol in symbols]
        read_parts(client, timeframe.source, found)
        return [limited(usable(part.candles(), part), part, limit) for part in found]
    if timeframe.daily:
        ratio, last = _HOURS_OF_A_DAY, day_of(end).end - 1
    else:
        ratio, last = timeframe.ms // timeframe.source_ms, end - end % timeframe.ms + timeframe.ms - 1
    want = min((limit + 1) * ratio, MAX_SOURCE_ROWS // len(symbols))
    found = [Part(symbol, fields, start, last, want, which) for symbol in symbols]
    read_parts(client, timeframe.source, found)
    starts = [day_starts(part.t) if timeframe.daily else part.t - part.t % timeframe.ms for part in found]
    _raise_floors(client, found, starts, timeframe.source)
    return [limited(_enlarge(part, begin), part, limit) for part, begin in zip(found, starts, strict=True)]


def usable(candles: Candles, part: Part) -> Candles:
    """Those with prices, if only they are wanted."""
    return candles if part.which.unpriced else candles.complete(part.prices)


def limited(candles: Candles, part: Part, limit: int) -> Candles:
    """The newest or oldest so many, as the part wants them."""
    return candles.oldest(limit, part.cut) if part.which.oldest else candles.newest(limit, part.cut)


def read_closes(
    client: Redis, symbols: Sequence[str], start: int, end: int, limit: int, oldest: bool = False
) -> list[Samples]:
    """For each symbol the closes (ticks) of its second bars in `start`..`end`: all, or at least `limit`, the newest or oldest."""
    want = min(limit, MAX_SOURCE_ROWS // len(symbols))
    which = Which(oldest=oldest)
    found = [Part(symbol, ("close",), start, min(end, END_OF_TIME), want, which) for symbol in symbols]
    read_parts(client, "1s", found)
    known = [~np.isnan(part.v[0]) for part in found]
    return [Samples(part.t[k], part.v[0][k], part.cut) for part, k in zip(found, known, strict=True)]


def read_kept_from(client: Redis, symbol: str, stored: Sequence[str]) -> dict[str, int]:
    """For each stored timeframe the oldest time (epoch ms) that its retention keeps of the symbol; 0 where that is not known."""
    return dict(zip(stored, read_edges(client, [keys.series(symbol, name, "close") for name in stored]), strict=True))


def _raise_floors(client: Redis, parts: Sequence[Part], starts: Sequence[Times], source: str) -> None:
    """Raises the floor to what the source's retention keeps, where the oldest candle may have lost its beginning."""
    doubtful = [p for p, begin in zip(parts, starts, strict=True) if len(p.t) and p.floor <= begin[0] < p.t[0]]
    for part, edge in zip(
        doubtful, read_edges(client, [keys.series(p.symbol, source, "volume") for p in doubtful]), strict=True
    ):
        part.floor = max(part.floor, edge)


def _enlarge(part: Part, starts: Times) -> Candles:
    # A candle that began before what was read is not whole; one that began before the range is not asked for.
    inside = starts >= part.floor
    if part.which.oldest and part.cut:
        inside &= starts < starts[-1]  # the last one goes on after what was read
    rows = part.candles()
    return usable(aggregate(Candles(rows.t[inside], rows.fields[:, inside]), starts[inside]), part)


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
class Part:
    """What is to be read of one symbol: samples of `fields` from `start` to `end`, all or at least the newest (or oldest) `want`
    rows.

    What has been read is everything from `floor` on (of the oldest: from `start` to before `start`, which moves on): times
    `t`, and a row of `v` a field. `cut`: there may be more.
    """

    symbol: str
    fields: Sequence[str]
    start: int
    end: int
    want: int
    which: Which = USUAL
    t: Times = field(default_factory=lambda: np.empty(0, np.int64))
    v: Values = field(default_factory=lambda: np.empty((0, 0)))
    done: bool = False
    cut: bool = False
    page: int = field(init=False)
    floor: int = field(init=False)

    def __post_init__(self) -> None:
        self.page, self.floor = self.want, self.start

    def candles(self) -> Candles:
        """Fields that were not read are NaN."""
        if len(self.fields) == len(ALL_FIELDS):
            return Candles(self.t, self.v)
        whole = np.full((len(ALL_FIELDS), len(self.t)), np.nan)
        whole[[ALL_FIELDS.index(name) for name in self.fields]] = self.v
        return Candles(self.t, whole)

    @property
    def prices(self) -> list[int]:
        """The rows of Candles.fields that are prices and are read."""
        return [i for i, name in enumerate(ALL_FIELDS[:_PRICES]) if name in self.fields]


def read_parts(client: Redis, timeframe: str, parts: Sequence[Part]) -> None:
    """Reads all parts, joined on time, of a stored timeframe: as far back as they want, in one round trip if that is enough.

    Fields have times of their own, so the newest N of each need not be N rows with all prices: more pages follow, each twice as
    long, until there are enough. Minute marks among the second bars are left out.
    """
    step = STORED[timeframe]
    waiting = list(parts)
    while waiting:
        ranges = []
        for part in waiting:
            count = 0 if (part.end - part.start) // step < part.page else part.page
            newest, oldest = (0, count) if part.which.oldest else (count, 0)
            names = [keys.series(part.symbol, timeframe, name) for name in part.fields]
            ranges += [
                Range(name, part.start, part.end, newest, latest=step > _SECOND_MS, oldest=oldest) for name in names
            ]
        answers = iter(read_ranges(client, ranges))
        for part in waiting:
            _add(part, [next(answers) for _ in part.fields], step)
        waiting = [part for part in waiting if not part.done]


def _add(part: Part, columns: Sequence[Samples], step: int) -> None:
    """Adds a page to what `part` has; it is done when nothing is left or enough rows are there."""
    t, v = join(columns)
    v = without_impossible(part.fields, v)
    # A column that was cut says nothing about the time beyond its last sample.
    if part.which.oldest:
        bound = min((int(c.t[-1]) for c in columns if c.more), default=part.end)
        keep = t <= bound
    else:
        bound = max((int(c.t[0]) for c in columns if c.more), default=part.start)
        keep = t >= bound
    if step == _SECOND_MS:
        keep &= t % _SECOND_MS == 0
    if not keep.all():
        t, v = t[keep], v[:, keep]
    pages = [(part.t, part.v), (t, v)] if part.which.oldest else [(t, v), (part.t, part.v)]
    pages = [page for page in pages if len(page[0])] or [(t, v)]
    part.t = np.concatenate([page[0] for page in pages]) if len(pages) > 1 else pages[0][0]
    part.v = np.concatenate([page[1] for page in pages], axis=1) if len(pages) > 1 else pages[0][1]
    part.cut = bound < part.end if part.which.oldest else bound > part.start
    prices = part.v[: len(part.prices)]
    rows = len(part.t) if all_known(prices) else int((~np.isnan(prices)).all(axis=0).sum())
    if part.which.oldest:
        part.start = bound + 1
    else:
        part.floor, part.end = bound, bound - 1
    part.done = not part.cut or rows >= part.want
    part.page *= 2
