"""Repairs over HTTP: from the simulator's REST, and from a vendor that pages, throttles and fails."""

from __future__ import annotations

import asyncio
import itertools
import time

from redis import Redis

from simulator.market import Market, now_s
from simulator.rest import Rest, serve
from tests.ingest.repair.harness import (
    LEVELS,
    T0,
    Harness,
    from_candle,
    received,
    run,
    tape,
    truth_of,
)
from tests.ingest.repair.vendor import Asked, Reply, Vendor, bars_reply
from vendor.interface import RestConfig
from vendor.massive.rest import HttpRest


def test_a_gap_of_the_simulated_market(redis: Redis, redis_url: str) -> None:
    market = Market(4, 10.0, seed=7)
    end = now_s() - 120
    start = end - 900
    rest = Rest(market)
    truth = []
    for name in market.names:
        _, body = rest.answer(f"/v2/aggs/ticker/{name}/range/1/second/{start * 1000}/{end * 1000}?limit=50000", "")
        for row in body["results"]:
            ticks = [round(row[k] * 10_000) for k in "ohlc"]
            truth.append(from_candle(name, [row["t"], *ticks, row["v"], round(row["vw"] * row["v"] * 10_000)]))
    truth.sort(key=lambda b: b.t)
    server = serve(market, 0)

    async def go() -> None:
        vendor = HttpRest(RestConfig(f"http://127.0.0.1:{server.server_port}", "any", 200))
        async with Harness(redis_url) as harness:
            harness.rest = vendor
            harness.hear([b for b in truth if not (start + 300) * 1000 < b.t < (start + 700) * 1000])
            harness.lose(start + 300 - T0 // 1_000, start + 700 - T0 // 1_000)
            await harness.repair(repairer=harness.new_repairer())
            for name in market.names:
                own = [b for b in truth if b.sym == name]
                for level in LEVELS:
                    assert harness.candles(name, level) == truth_of(own, level), (name, level)
            assert harness.gap().repaired_bars > 100
        await vendor.close()

    run(go())
    server.shutdown()
    server.server_close()


class Impatient:
    """A clock without waits."""

    def now(self) -> float:
        return time.monotonic()

    async def wait(self, seconds: float, ended: asyncio.Event) -> None:
        """Returns at once."""


def test_over_http_with_a_vendor_that_pages_throttles_and_stumbles(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 900, step=1) + tape("B", 900, step=1)
    answers = itertools.count()

    def answer(asked: Asked) -> Reply:
        number = next(answers)
        if number == 3:
            return Reply(429, {}, {"Retry-After": "0.1"})
        if number in (5, 6):
            return [Reply(500), Reply(200, b"{")][number - 5]
        rows = [
            {"t": b.t, "o": b.o, "h": b.h, "l": b.l, "c": b.c, "v": b.v, "vw": (b.n or 0) / b.v}
            for b in truth
            if b.sym == asked.symbol and asked.start <= b.t <= asked.end
        ]
        for row in rows:
            row.update({name: (row[name] or 0) / 10_000 for name in ("o", "h", "l", "c", "vw")})
        return bars_reply(rows[:100], "/next" if len(rows) > 100 else "")

    async def go() -> None:
        with Vendor(answer) as server:
            vendor = HttpRest(RestConfig(server.url, "any", 200), Impatient())
            async with Harness(redis_url) as harness:
                harness.rest = vendor
                harness.hear(sorted(received(truth, 200, 700), key=lambda b: b.t))
                harness.lose(200, 700)
                await harness.repair(repairer=harness.new_repairer())
                for symbol in ("A", "B"):
                    for level in LEVELS:
                        own = [b for b in truth if b.sym == symbol]
                        assert harness.candles(symbol, level) == truth_of(own, level), (symbol, level)
            assert vendor.retried == 3
            await vendor.close()

    run(go())
