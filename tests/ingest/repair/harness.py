"""A market state that received part of the truth, a vendor that has all of it, and a repairer; Redis is real."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

from redis import Redis

from ingest.pipeline import Pipeline
from ingest.repair.backfill import Backfill
from ingest.repair.repairer import RepairConfig, Repairer
from ingest.repair.symbol import Bars
from ingest.upkeep import Upkeep
from ingest.velocity_rule import VelocityConfig
from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.timeframes import parse
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.read.gaps import OPEN, Gap, read_gaps
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect, connect_async
from redis_functions.write.writer import Writer
from tests.redis_functions.read.plain_candles import plain_candles
from vendor.interface import AskedBars, RestRefused, RestUnavailable
from vendor.vendors import DEFAULT

T0 = 1_760_094_000_000  # a whole hour, 07:00 in New York
LATER = 4_000_000_000_000
HOUR = 3_600
LEVELS = ("1s", "1m", "5m", "1h")
#: Seconds for little more than an hour, so that what is old comes soon.
SCHEMA = Schema({"1s": 4_500_000, "1m": 86_400_000, "5m": 86_400_000, "1h": 86_400_000})


def bar(sym: str, second: int, price: int = 100_000, volume: float = 100) -> Bar:
    return Bar(sym, T0 + second * 1_000, price, price + 7, price - 5, price + 1, volume, round(price * volume))


def at(second: float) -> int:
    return T0 + round(second * 1_000)


class Vendor:
    """REST within the test process.

    `refuses`: symbols answered with an error; `fails`: failing answers per symbol; `spoils`: answers whose
    first row is unusable; `knows_to` (ms): the end of its data;
    `meanwhile` is called before each answer; from request number `silent_from` on it does not answer.
    """

    def __init__(self, truth: Iterable[Bar]) -> None:
        self.truth = list(truth)
        self.asked: list[tuple[str, int, int, int]] = []
        self.refuses: set[str] = set()
        self.fails: dict[str, int] = {}
        self.spoils: dict[str, int] = {}
        self.knows_to = LATER
        self.silent_from = 1 << 30
        self.meanwhile: Callable[[str, int, int], None] = lambda symbol, start, end: None

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> AskedBars:
        self.asked.append((symbol, span_ms, start, end))
        await (asyncio.Event().wait() if len(self.asked) > self.silent_from else asyncio.sleep(0))
        self.meanwhile(symbol, start, end)
        if symbol in self.refuses:
            raise RestRefused("the vendor's REST answers 403")
        if self.fails.get(symbol):
            self.fails[symbol] -= 1
            raise RestUnavailable("status 500")
        known = [b for b in self.truth if b.sym == symbol and b.t <= self.knows_to]
        if span_ms == SECOND_MS:
            bars = [b for b in known if start <= b.t <= end]
        else:
            bars = [
                Bar(symbol, c.t, c.o, c.h, c.l, c.c, c.v, c.n, MINUTE_MS)
                for c in plain_candles(known, "1m", start, end, 1 << 30)
            ]
        if self.spoils.get(symbol):
            self.spoils[symbol] -= 1
            return AskedBars(bars[1:], len(bars[:1]))
        return AskedBars(bars)


class Harness:
    """Everything that a repairer needs, within one event loop: ``async with Harness(url, truth) as harness``."""

    def __init__(
        self, url: str, truth: Iterable[Bar] = (), *, schema: Schema | None = None, built: bool = False,
        minutes_only: bool = False, rest: bool = True, **config: Any,
    ) -> None:  # fmt: skip
        self.schema = schema or Schema()
        self.vendor = Vendor(truth)
        self.redis: Redis = connect(url)
        self.client = connect_async(url)
        self.writer = Writer(url, self.schema)
        self.pipeline = Pipeline(self.schema, VelocityConfig(), decode=DEFAULT.decoder(), minutes_subscribed=False)
        self.tape = self.pipeline.tape
        self.live = Backfill(self.pipeline, self.writer, minutes_only=minutes_only)
        self.live.built = lambda symbol: built
        settings: dict[str, Any] = {"poll_s": 0.01, "backoff_s": (0.01,), "settle_ms": 0, "quiet_s": 0.0} | config
        self._config = RepairConfig(schema=self.schema, **settings)
        self.rest: Bars | None = self.vendor if rest else None
        self.repairer = self.new_repairer()

    def new_repairer(self) -> Repairer:
        """Another one, as after a restart."""
        return Repairer(self.client, self.rest, self.live, self, self._config)

    async def write_repair(self, entry: dict[str, str]) -> None:
        await self.client.xadd(keys.gaps("stocks"), dict(entry.items()))

    async def __aenter__(self) -> Harness:
        self._writing = asyncio.create_task(self.writer.run())
        return self

    async def __aexit__(self, *error: object) -> None:
        self._writing.cancel()
        await asyncio.gather(self._writing, return_exceptions=True)
        await self.client.aclose()
        self.redis.close()

    def hear(self, bars: Sequence[Bar]) -> None:
        """Takes live bars and queues them for Redis."""
        for taken in self.tape.take(list(bars), LATER):
            self.writer.put(taken.bars, taken.newest)
            for one in taken.bars:
                if one.span == MINUTE_MS:
                    self.tape.minutes.fill(self.tape.number(one.sym), one)

    def lose(self, start: float, end: float, symbols: str = "*", gap: str = "g", **more: str) -> None:
        """Writes a gap record over these seconds of the truth."""
        fields: dict[Any, Any] = {
            "gap": gap, "symbols": symbols, "from": at(start), "to": at(end), "reason": "drop", "state": OPEN,
        }  # fmt: skip
        self.redis.xadd(keys.gaps("stocks"), fields | more)

    async def repair(self, until: Callable[[], Any] | None = None, repairer: Repairer | None = None) -> None:
        """Runs the repairer until no gap is open (or `until` is true) and everything is in Redis."""
        await self.writer.flushed()
        running = asyncio.create_task(Upkeep(Availability()).every(0, "repairs", (repairer or self.repairer).step))
        ends = time.monotonic() + 20
        try:
            while not (until() if until else all(gap.state != OPEN for gap in self.gaps())):
                if running.done():
                    running.result()
                assert time.monotonic() < ends, self.gaps()
                await asyncio.sleep(0.01)
        finally:
            # Python 3.11 loses a cancellation at the very end of asyncio.wait_for, which redis-py uses.
            while not running.done():
                running.cancel()
                await asyncio.wait([running], timeout=0.1)
        await self.writer.flushed()

    def gaps(self) -> list[Gap]:
        return read_gaps(self.redis, "stocks")

    def gap(self, name: str = "g") -> Gap:
        return next(gap for gap in self.gaps() if gap.id == name)

    def candles(self, symbol: str, timeframe: str) -> list[tuple[float, ...]]:
        (found,) = read_candles(self.redis, [symbol], parse(timeframe), 0, LATER, 5_000)
        return list(zip(found.t.tolist(), *found.fields.tolist(), strict=True))


def from_candle(symbol: str, candle: Sequence[float], span: int = SECOND_MS) -> Bar:
    """The bar of a row of `truth_of`."""
    t, o, h, low, c, v, n = map(int, candle)
    return Bar(symbol, t, o, h, low, c, v, n, span)


def truth_of(bars: Iterable[Bar], timeframe: str) -> list[tuple[float, ...]]:
    return [tuple(float(x or 0) for x in c) for c in plain_candles(bars, timeframe, 0, LATER, 5_000)]


def tape(symbol: str, seconds: int, seed: int = 1, step: int = 3) -> list[Bar]:
    """A quiet random walk with a bar every few seconds."""
    draw = random.Random(f"{symbol}{seed}")
    price, bars, second = 1_000_000, [], 0
    while second < seconds:
        price += draw.randint(-40, 40)
        bars.append(bar(symbol, second, price, draw.randint(1, 900)))
        second += draw.randint(1, 2 * step)
    return bars


def received(truth: list[Bar], start: float, end: float) -> list[Bar]:
    """The bars outside the open interval between two seconds."""
    return [b for b in truth if not at(start) < b.t < at(end)]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def closed(harness: Harness, gap: str = "g") -> tuple[str, str, int]:
    found = harness.gap(gap)
    return found.state, found.reason, found.repaired_bars
