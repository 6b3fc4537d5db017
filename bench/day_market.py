"""The market day that is played: who trades when, and what a store already holds of the days before.

10,000 symbols and 23.4 million bars: activity by Zipf's law with exponent 1, at most one bar a second each.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from bench import tape
from bench.feed import Frame
from bench.harness import Harness
from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema, create_commands
from tapewatch.capacity import DAY_S, rates

SYMBOLS, BARS_PER_SECOND = 10_000, 1_000.0
#: Minutes after the opening bell at which memory is looked at; the last is the close.
LOOKS = (30, 120, 390)
PART_MINUTES = 30
_PAST = {"5m": 300, "1h": 3600}


@dataclass
class Day:
    """What is played: so many symbols, bars a second over all of them, and minutes from the opening bell on."""

    symbols: int
    rate: float
    minutes: int

    @property
    def edges(self) -> list[int]:
        """Minutes at which all that was sent is stored before more is: the spool must never be full, or it sheds."""
        return sorted({*range(0, self.minutes, PART_MINUTES), *self.looks})

    @property
    def looks(self) -> list[int]:
        return sorted({*(m for m in LOOKS if m < self.minutes), self.minutes})


def second_of(
    names: list[str], chance: NDArray[np.float64], t: int, rng: np.random.Generator, state: NDArray[np.int64]
) -> list[Bar]:
    """One second: each symbol trades with its chance; prices walk in cents (`state`, changed in place)."""
    who = np.flatnonzero(rng.random(len(names)) < chance)
    rng.shuffle(who)
    n = len(who)
    o = state[who]
    # About 0.01 % of the price a second, and not below a dollar: no velocity rule minds.
    c = np.maximum(o + np.rint(rng.normal(0.0, 1.0, n) * o * 1e-4).astype(np.int64), 100)
    state[who] = c
    high = np.maximum(o, c) + (rng.random(n) < 0.3)
    low = np.minimum(o, c) - (rng.random(n) < 0.3)
    volume = np.maximum(1, rng.lognormal(5.5, 1.2, n)).astype(np.int64)
    middle = (high + low) * 50
    table = np.stack([who, o * 100, high * 100, low * 100, c * 100, volume, middle * volume], axis=1).tolist()
    return [Bar(names[i], t, *row) for i, *row in table]


def frames(day: Day, from_minute: int, to_minute: int) -> Iterator[Frame]:
    """The frames of a part of the day, made while they are sent; the same whichever way it is cut at minutes."""
    names = tape.names(day.symbols)
    chance = rates(day.symbols, day.rate)
    for minute in range(from_minute, to_minute):
        rng = np.random.default_rng([11, minute])
        state = 2_000 + (np.arange(day.symbols) * 7919) % 49_000
        state += np.rint(20 * np.sin(minute / 20 + np.arange(day.symbols))).astype(np.int64)
        for s in range(minute * 60, minute * 60 + 60):
            bars = second_of(names, chance, tape.OPEN_MS + s * 1000, rng, state)
            for frame in tape.frames([tape.aggregate(bar) for bar in bars]):
                yield frame, None


def older(harness: Harness, day: Day, schema: Schema) -> None:
    """Series, and the 5m and 1h bars of the sessions before that the retentions still hold, at the activity of the day."""
    names, chance = tape.names(day.symbols), rates(day.symbols, day.rate)
    rng = np.random.default_rng(12)
    for begin in range(0, day.symbols, 200):
        pipe = harness.client.pipeline(transaction=False)
        for i in range(begin, min(begin + 200, day.symbols)):
            for command in create_commands(names[i], schema):
                pipe.execute_command(*command)
            pipe.sadd(keys.SYMBOLS, names[i])
            for timeframe, span in _PAST.items():
                _past(pipe, names[i], timeframe, times(chance[i], timeframe, span, schema, rng), rng)
        pipe.execute()


def times(chance: float, timeframe: str, span: int, schema: Schema, rng: np.random.Generator) -> list[int]:
    """The starts of the candles that a symbol of that activity has in the sessions before, within the retention."""
    first = tape.OPEN_MS - schema.retention_ms[timeframe]
    starts = []
    for back in range(schema.retention_ms[timeframe] // 86_400_000, 0, -1):
        session = tape.OPEN_MS - back * 86_400_000
        if not is_session(session):
            continue
        slots = np.arange(session // 1000 // span * span, session // 1000 + DAY_S, span)
        traded = rng.random(len(slots)) < 1 - (1 - chance) ** span
        starts += [t for t in (slots[traded] * 1000).tolist() if t >= first]
    return starts


def is_session(opening: int) -> bool:
    """Whether the market opens on the day of that opening bell."""
    return datetime.fromtimestamp(opening / 1000, UTC).weekday() < 5


def _past(pipe: object, symbol: str, timeframe: str, starts: list[int], rng: np.random.Generator) -> None:
    if not starts:
        return
    close = (1_000_000 + rng.integers(-30, 31, len(starts)).cumsum() * 100).tolist()
    volume = rng.integers(1_000, 200_000, len(starts)).tolist()
    for name in FIELDS:
        key = keys.series(symbol, timeframe, name)
        values = volume if name == "volume" else close
        if name == "notional":
            values = [v * c for v, c in zip(volume, close, strict=True)]
        words: list[str | int] = []
        for t, value in zip(starts, values, strict=True):
            words += [key, t, value]
        pipe.execute_command("TS.MADD", *words)  # type: ignore[attr-defined]


def part(day: Day, from_minute: int, to_minute: int) -> Iterator[Frame]:
    """`frames`, then a last bar: when it is stored, all are."""
    yield from frames(day, from_minute, to_minute)
    t = tape.OPEN_MS + to_minute * 60_000 - 1000
    yield f"[{tape.aggregate(Bar('EDGE', t, 500_000, 500_000, 500_000, 500_000, 100, 50_000_000))}]".encode(), None
