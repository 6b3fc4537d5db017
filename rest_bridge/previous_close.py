"""The close before the New York day, as the velocity detector uses it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from redis import Redis

from market.price import SCALE
from market.sessions import day_of
from redis_functions.read.market import read_previous_closes
from redis_functions.read.ranges import Times, Values
from redis_functions.read.reader import day_starts


def previous_closes_at(client: Redis, symbols: Sequence[str], times: Sequence[Times]) -> list[Values]:
    """For each symbol the close before the day of each of its `times`, in ticks; NaN where it is not known. Raises RedisError."""
    starts = [day_starts(t) for t in times]
    days = np.unique(np.concatenate(starts)).tolist()
    known = read_previous_closes(client, [day_of(day).date for day in days], symbols) if days else []
    found = []
    for symbol, begin in zip(symbols, starts, strict=True):
        of_day = np.array([closes.get(symbol, np.nan) * SCALE for closes in known])
        found.append(of_day[np.searchsorted(days, begin)] if len(begin) else np.empty(0))
    return found
