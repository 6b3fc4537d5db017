"""Candles computed the slow and obvious way, from bars, to hold the reader against."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import NamedTuple
from zoneinfo import ZoneInfo

from market.bar import Bar

LENGTHS = {"s": 1, "m": 60, "h": 3600, "d": 86_400}


class Candle(NamedTuple):
    """In ticks; `n` None where there is no notional."""

    t: int
    o: int
    h: int
    l: int  # noqa: E741 - the field's own name
    c: int
    v: float
    n: int | None


def start_of(t: int, timeframe: str) -> int:
    if timeframe == "1d":
        midnight = datetime.fromtimestamp(t // 1000, UTC).astimezone(ZoneInfo("America/New_York"))
        return int(midnight.replace(hour=0, minute=0, second=0, fold=0).timestamp()) * 1000
    ms = int(timeframe[:-1]) * LENGTHS[timeframe[-1]] * 1000
    return t // ms * ms


def plain_candles(bars: Iterable[Bar], timeframe: str, start: int, end: int, limit: int) -> list[Candle]:
    """The newest `limit` candles that start in `start`..`end`, ascending."""
    buckets: dict[int, list[Bar]] = {}
    for bar in sorted(bars, key=lambda b: b.t):
        if timeframe[-1] == "s" and bar.t % 1000:
            continue
        buckets.setdefault(start_of(bar.t, timeframe), []).append(bar)
    out = []
    for begin, inside in buckets.items():
        opens = [b.o for b in inside if b.o is not None]
        highs = [b.h for b in inside if b.h is not None]
        lows = [b.l for b in inside if b.l is not None]
        closes = [b.c for b in inside if b.c is not None]
        if start <= begin <= end and opens and highs and lows and closes:
            notional = sum(b.n or 0 for b in inside)
            volume = sum(b.v for b in inside)
            out.append(
                Candle(begin, opens[0], max(highs), min(lows), closes[-1], volume, notional if notional >= 0 else None)
            )
    return out[-limit:]
