"""Repaired candles on a real Redis with its rules: equal to the truth now, and after later bars."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from ingest.repair.rollup import HOUR_MS, merged, rolled_up, worth_writing, write_minutes, young_from
from market.bar import MINUTE_MS, Bar
from market.price import NO_NOTIONAL
from market.timeframes import STORED, parse
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.read.candles import NONE, Candles
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect, connect_async
from tests.redis_functions.read.plain_candles import plain_candles
from tests.support import write_bars

#: Seconds are kept for an hour and a quarter, the least that settings allow.
SCHEMA = Schema({"1s": 4_500_000, "1m": 86_400_000, "5m": 86_400_000, "1h": 86_400_000})
KEPT = SCHEMA.retention_ms["1s"]
T0 = 1_760_094_000_000  # a whole hour


def bar(sym: str, second: int, price: int, volume: float = 100, priced: bool = True) -> Bar:
    t = T0 + second * 1_000
    n = round(price * volume)
    if not priced:
        return Bar(sym, t, None, None, None, None, volume, n)
    return Bar(sym, t, price, price + 7, price - 5, price + 1, volume, n)


def minute_bars(seconds: Sequence[Bar]) -> list[Bar]:
    """The vendor's minute bars of a symbol, made of its second bars; minutes without a price have none."""
    return [
        Bar(seconds[0].sym, c.t, c.o, c.h, c.l, c.c, c.v, c.n, MINUTE_MS)
        for c in plain_candles(seconds, "1m", 0, 1 << 60, 1 << 30)
    ]


def repair(url: str, minutes: Sequence[Bar]) -> int:
    async def run() -> int:
        client = connect_async(url)
        try:
            return await write_minutes(client, minutes[0].sym, minutes, SCHEMA) if minutes else 0
        finally:
            await client.aclose()

    return asyncio.run(run())


def candles(redis: Redis, symbol: str, timeframe: str) -> list[tuple[float, ...]]:
    (found,) = read_candles(redis, [symbol], parse(timeframe), T0 - HOUR_MS, T0 + 20 * HOUR_MS, 5_000)
    return list(zip(found.t.tolist(), *found.fields.tolist(), strict=True))


def truth(bars: Sequence[Bar], timeframe: str) -> list[tuple[float, ...]]:
    return [tuple(float(x or 0) for x in c) for c in plain_candles(bars, timeframe, 0, 1 << 60, 1 << 30)]


SYMBOLS = itertools.count()
SECONDS = st.lists(
    st.tuples(st.integers(0, 5 * 3600), st.integers(1_000, 2_000), st.integers(1, 500), st.integers(0, 9)),
    min_size=2, max_size=120, unique_by=lambda x: x[0],
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(SECONDS, st.data())
def test_a_gap_repaired_at_any_time_leaves_all_candles_equal_to_the_truth(
    redis_url: str, rows: list[tuple[int, int, int, int]], data: st.DataObject
) -> None:
    """Whole hours get their seconds back, frozen ones their minutes; then live bars follow, late ones included."""
    symbol = f"S{next(SYMBOLS)}"
    begin = data.draw(st.integers(0, 5 * 3600), "gap begins")
    end = data.draw(st.integers(begin, begin + 2 * 3600), "gap ends")
    mute = data.draw(st.integers(0, 9), "of ten bars after the gap, so many have no price")
    everything = [
        bar(symbol, s, price, volume, priced=s <= end or dice >= mute) for s, price, volume, dice in sorted(rows)
    ]
    lost = [b for b in everything if begin <= (b.t - T0) // 1000 <= end]
    received = [b for b in everything if b not in lost]
    now = data.draw(st.integers(0, len(received)), "bars received before the repair")
    now = max(now, sum((b.t - T0) // 1000 < begin for b in received))

    with connect(redis_url) as redis:
        write_bars(redis, received[:now], SCHEMA)
        limit = young_from(max((b.t for b in received[:now]), default=None), KEPT)
        write_bars(redis, [b for b in lost if b.t >= limit], SCHEMA)
        minutes = [m for m in minute_bars(everything) if m.t + MINUTE_MS > T0 + begin * 1000 and m.t <= T0 + end * 1000]
        minutes = [m for m in minutes if m.t < limit]
        repair(redis_url, minutes)
        again = repair(redis_url, minutes)
        write_bars(redis, received[now:], SCHEMA)
        if everything:
            newest = max(b.t for b in everything)
            # A bar that the vendor repeats, as late as it is accepted, changes nothing.
            write_bars(redis, [b for b in everything if b.t >= newest - SCHEMA.lateness_ms], SCHEMA)
        assert again == 0
        for timeframe in ("1m", "5m", "1h"):
            assert candles(redis, symbol, timeframe) == truth(everything, timeframe), timeframe


def test_seconds_in_a_frozen_hour_would_destroy_it(redis: Redis) -> None:
    """Why hours are frozen: the rule recomputes the bucket from the seconds that are left."""
    received = [bar("A", s, 1_000 + s) for s in (0, 1800, 3599)] + [bar("A", 4_600, 2_000)]
    late = bar("A", 3_000, 1_500)
    write_bars(redis, received, SCHEMA)
    limit = young_from(received[-1].t, KEPT)
    assert limit == T0 + HOUR_MS > late.t > received[-1].t - KEPT
    write_bars(redis, [late], SCHEMA)
    assert candles(redis, "A", "1h") != truth([*received, late], "1h")


@pytest.mark.parametrize(
    ("newest", "limit"),
    [
        (None, 0), (T0, T0 - HOUR_MS), (T0 + 900_000, T0 - HOUR_MS), (T0 + 900_001, T0),
        (T0 + KEPT, T0), (T0 + KEPT + 1, T0 + HOUR_MS),
    ],
)  # fmt: skip
def test_the_first_hour_that_is_kept_whole(newest: int | None, limit: int) -> None:
    assert young_from(newest, KEPT) == limit
    if newest is not None:
        assert limit >= newest - KEPT > limit - HOUR_MS


def test_every_bar_that_live_may_come_is_young() -> None:
    """Bars are accepted up to `lateness_ms` late: none of them lies in a frozen hour."""
    for newest in range(T0, T0 + 2 * HOUR_MS, 7_000):
        latest_allowed = newest - SCHEMA.lateness_ms
        assert latest_allowed // HOUR_MS * HOUR_MS >= young_from(newest, KEPT)


def test_a_minute_with_as_much_volume_stays() -> None:
    minute = Bar("A", T0, 10, 12, 9, 11, 100, 1_000, MINUTE_MS)
    held = merged(NONE, [minute])
    assert worth_writing(held, [minute._replace(c=10)]) == []
    assert worth_writing(held, [minute._replace(v=99)]) == []
    assert worth_writing(held, [minute._replace(v=101)]) == [minute._replace(v=101)]
    assert worth_writing(NONE, [minute]) == [minute]


def test_a_minute_without_vwap_leaves_its_larger_candles_without(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [bar("A", 0, 1_000), bar("A", 3 * 3600, 1_100)], SCHEMA)
    repair(redis_url, [Bar("A", T0 + MINUTE_MS, 10, 12, 9, 11, 40, None, MINUTE_MS)])
    (_, _, _, _, _, volume, notional), _ = candles(redis, "A", "1h")
    assert volume == 140
    assert notional < 0
    assert candles(redis, "A", "1m")[1][-1] == NO_NOTIONAL


def test_series_that_are_not_there_are_made(redis: Redis, redis_url: str) -> None:
    minutes = [Bar("NEW", T0 + i * MINUTE_MS, 10, 12, 9, 11, 40, 400, MINUTE_MS) for i in range(3)]
    assert repair(redis_url, minutes) == 3
    assert candles(redis, "NEW", "1h")[0][5] == 120
    assert redis.execute_command("TS.INFO", keys.series("NEW", "1h", "close"))


def test_a_minute_before_a_bucket_that_a_rule_wrote_late_keeps_the_order(redis: Redis, redis_url: str) -> None:
    """Redis appends samples newer than the newest that it knows of, and a bucket written late does not count."""
    everything = [bar("A", s, 1_000 + s, 1) for s in (0, 60, 3600, 4501)]
    write_bars(redis, [everything[i] for i in (0, 3, 2)], SCHEMA)
    repair(redis_url, minute_bars(everything[1:2]))
    write_bars(redis, [more := bar("A", 9_000, 1_000)], SCHEMA)
    for timeframe in ("1m", "5m", "1h"):
        assert candles(redis, "A", timeframe) == truth([*everything, more], timeframe)


def test_a_level_kept_for_a_shorter_time_refuses_without_harm(redis: Redis, redis_url: str) -> None:
    short = Schema(SCHEMA.retention_ms | {"5m": HOUR_MS})
    write_bars(redis, [bar("A", 0, 1_000), bar("A", 5 * 3600, 1_000)], short)
    assert repair(redis_url, [Bar("A", T0 + MINUTE_MS, 10, 12, 9, 11, 40, 400, MINUTE_MS)]) == 1
    assert [c[0] for c in candles(redis, "A", "1m")] == [T0, T0 + MINUTE_MS, T0 + 5 * HOUR_MS]


MINUTES = st.lists(
    st.tuples(st.integers(0, 240), st.integers(1, 99), st.booleans()), max_size=60, unique_by=lambda x: x[0]
)


@given(MINUTES, st.lists(st.integers(0, 240), max_size=5), st.sampled_from(["5m", "1h"]))
def test_rolling_up_is_the_plain_definition(rows: list[tuple[int, int, bool]], touched: list[int], level: str) -> None:
    bars = [bar("A", 60 * m, 1_000 + m, v, priced) for m, v, priced in sorted(rows)]
    columns = [[b.o, b.h, b.l, b.c, b.v, b.n] for b in bars]
    minutes = Candles(np.array([b.t for b in bars], np.int64), np.array(columns, np.float64).reshape(-1, 6).T)
    at = [T0 + m * MINUTE_MS for m in touched]
    found = rolled_up(minutes, STORED[level], at).complete()
    expected = {t - t % STORED[level] for t in at}
    assert list(zip(found.t.tolist(), *found.fields.tolist(), strict=True)) == [
        c for c in truth(bars, level) if c[0] in expected
    ]
