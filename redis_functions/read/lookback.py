"""Candles with the older ones that their indicators need."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from redis import Redis

from market.sessions import day_of
from market.timeframes import DAY_MS, Timeframe
from redis_functions.read.candles import CLOSE, HIGH, LOW, NOTIONAL, OPEN, VOLUME, Candles
from redis_functions.read.ranges import Times
from redis_functions.read.reader import ALL_FIELDS, END_OF_TIME, Part, Which, day_starts, limited, read_parts
from redis_functions.read.session_candles import Session, read_candles_of

_COLUMNS = {"open": OPEN, "high": HIGH, "low": LOW, "close": CLOSE, "volume": VOLUME}
#: Up to this many candles are read in one query with those before them, when their beginning is unknown.
_FEW = 1_000
#: Clocks are changed at 02:00, so a day's length shows in the times after 03:00.
_AFTER_CHANGE_MS = 3 * 3_600_000


@dataclass(frozen=True)
class Lookback:
    """The candles that were asked for, and the `earlier` ones before them."""

    earlier: Candles
    asked: Candles

    def inputs(self, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
        """The named columns of all candles, as indicators take them.

        Prices in ticks, which are whole: so sums are exact, and do not depend on where the series began.
        """
        fields = np.concatenate([self.earlier.fields, self.asked.fields], axis=1)
        needed = set(names)
        columns: dict[str, npt.NDArray[Any]] = {name: fields[i] for name, i in _COLUMNS.items() if name in needed}
        if "notional" in needed:
            columns["notional"] = np.where(fields[NOTIONAL] >= 0, fields[NOTIONAL], np.nan)
        if needed & {"session", "clock"}:
            t = np.concatenate([self.earlier.t, self.asked.t])
            columns["session"] = day_starts(t)
            columns["clock"] = _times_of_day(t, columns["session"])
        return columns


def read_lookback(
    client: Redis,
    symbols: Sequence[str],
    timeframe: Timeframe,
    span: tuple[int, int],
    limit: int,
    reach: int,
    names: Iterable[str],
    whole_session: bool = False,
    session: Session | None = None,
    oldest: bool = False,
) -> list[Lookback]:
    """For each symbol its newest (or oldest) `limit` candles that start in `span`, and `reach` more before them, or all that are
    there.

    `names`: the columns that are needed of the earlier ones. `whole_session`: at least so many earlier ones that the session
    of the first candle is whole, and one before it. `session`: only candles of this one, counted as such.
    """
    start, end = span[0], min(span[1], END_OF_TIME)
    needed = {"close", *names}
    fields = [name for name in ALL_FIELDS if name in needed]

    def count(t: int) -> int:
        return max(reach, (t - day_of(t).start) // timeframe.ms + 1) if whole_session else reach

    if timeframe.stored and start <= end and session is None and not oldest:
        whole_span = (end - start) // timeframe.ms < limit
        if whole_span:
            # All candles of the span are asked for, so the earlier ones are those before it.
            return _at_once(client, symbols, timeframe, (start, end), limit, start - 1, count(start), fields)
        if limit <= _FEW and not whole_session:
            return _at_once(client, symbols, timeframe, (start, end), limit, end, reach, fields)
    which = Which(oldest=oldest)
    every = read_candles_of(client, symbols, timeframe, start, end, limit, session, which=which)
    return [
        _one_by_one(client, symbol, timeframe, asked, count(int(asked.t[0])) if len(asked) else 0, fields, session)
        for symbol, asked in zip(symbols, every, strict=True)
    ]


def _at_once(
    client: Redis,
    symbols: Sequence[str],
    timeframe: Timeframe,
    span: tuple[int, int],
    limit: int,
    last: int,
    count: int,
    fields: Sequence[str],
) -> list[Lookback]:
    """In one round trip: the span, and up to `last` (within it, or just before it) enough candles for `count` earlier ones."""
    asked = [Part(symbol, ALL_FIELDS, *span, limit + 1) for symbol in symbols]
    want = count if last < span[0] else limit + count
    earlier = [Part(symbol, fields, 0, last, want) for symbol in symbols] if count and last > 0 else []
    read_parts(client, timeframe.source, [*asked, *earlier])
    found = []
    for i, part in enumerate(asked):
        candles = limited(part.candles().complete(), part, limit)
        if not earlier or not len(candles):
            found.append(Lookback(candles[:0], candles))
            continue
        older = earlier[i].candles().complete(earlier[i].prices)
        older = older[: int(np.searchsorted(older.t, candles.t[0]))]
        if len(older) < count and earlier[i].floor > 0:
            found.append(_one_by_one(client, part.symbol, timeframe, candles, count, fields))
        else:
            found.append(Lookback(older[-count:], candles))
    return found


def _one_by_one(
    client: Redis,
    symbol: str,
    timeframe: Timeframe,
    asked: Candles,
    count: int,
    fields: Sequence[str],
    session: Session | None = None,
) -> Lookback:
    """The earlier candles in a round trip of their own, now that the first one of those asked for is known."""
    if not count or not len(asked):
        return Lookback(asked[:0], asked)
    (earlier,) = read_candles_of(client, [symbol], timeframe, 0, int(asked.t[0]) - 1, count, session, fields)
    return Lookback(earlier, asked)


def _times_of_day(t: Times, midnights: Times) -> Times:
    """Milliseconds of the New York wall clock since midnight, also on days of 23 and 25 hours."""
    elapsed = t - midnights
    days = np.unique(midnights)
    surplus = np.array([day_of(int(day)).end - int(day) - DAY_MS for day in days], np.int64)
    if surplus.any():
        elapsed -= np.where(elapsed >= _AFTER_CHANGE_MS, surplus[np.searchsorted(days, midnights)], 0)
    return elapsed
