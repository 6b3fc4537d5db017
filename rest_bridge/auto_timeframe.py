"""`timeframe=auto`: the shortest candles that fit a chart of the range, of those that are stored for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from redis import Redis

from market import timeframes
from market.timeframes import STORED, Timeframe
from redis_functions.read.reader import read_kept_from
from rest_bridge.times import now_ms

#: Stands for a timeframe that is chosen when the question is answered.
AUTO = Timeframe("auto", 0, "1m")
#: What it is without `from`, and where no range is known.
_USUAL = timeframes.parse("1m")
_LADDER = tuple(
    map(timeframes.parse, ["1s", "5s", "15s", "30s", "1m", "2m", "5m", "15m", "30m", "1h", "2h", "4h", "1d"])
)


class Ranged(Protocol):
    """A question about a range of time, for a chart of so many points."""

    timeframe: Timeframe
    from_: int
    to: int
    points: int


def parse(text: str) -> Timeframe:
    """The timeframe that `text` names, or AUTO. Raises ValueError with a sentence for the user."""
    return AUTO if text.lower() == AUTO.name else timeframes.parse(text)


def timeframe_for(client: Redis, q: Ranged, symbols: Sequence[str]) -> Timeframe:
    """The timeframe asked for; for AUTO the shortest with at most `points` candles in the range whose source reaches back to
    its begin (of the first symbol, as all are kept alike). Raises RedisError."""
    if q.timeframe is not AUTO:
        return q.timeframe
    if not q.from_:
        return _USUAL
    span = min(q.to, now_ms()) - q.from_
    kept_from = read_kept_from(client, symbols[0], list(STORED))
    for timeframe in _LADDER:
        if span <= q.points * timeframe.ms and kept_from.get(timeframe.source, 0) <= q.from_:
            return timeframe
    return _LADDER[-1]
