"""Gaps filled from REST: candles equal the truth at every level, no newer data is overwritten, records are updated."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import MINUTE_MS
from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.read.gaps import REPAIRED
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect
from tests.ingest.repair.harness import (
    HOUR,
    LEVELS,
    SCHEMA,
    T0,
    Harness,
    at,
    bar,
    from_candle,
    received,
    run,
    tape,
    truth_of,
)
from tests.redis_functions.read.plain_candles import plain_candles


def test_a_young_gap_is_filled_second_by_second(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", HOUR) + tape("MSFT", HOUR)

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 600, 1_700))
            await harness.writer.flushed()
            latest, subscriber = redis.get(keys.latest("AAPL")), redis.pubsub()
            subscriber.subscribe(keys.CHANNEL_BARS)
            assert subscriber.get_message(timeout=5)
            harness.lose(600, 1_700)
            await harness.repair()
            for symbol in ("AAPL", "MSFT"):
                own = [b for b in truth if b.sym == symbol]
                for level in LEVELS:
                    assert harness.candles(symbol, level) == truth_of(own, level), (symbol, level)
            gap = harness.gap()
            assert (gap.state, gap.reason, gap.spikes) == (REPAIRED, "drop", "[]")
            assert gap.repaired_bars == len(truth) - len(received(truth, 600, 1_700))
            assert harness.repairer.bars_repaired == gap.repaired_bars
            # Repaired bars are not published.
            assert redis.get(keys.latest("AAPL")) == latest
            assert subscriber.get_message(timeout=0.05) is None

    run(go())


def test_an_old_gap_is_filled_above_the_seconds(redis: Redis, redis_url: str) -> None:
    """A gap three hours of event time ago: the minutes at its edges were cut, too."""
    truth = tape("AAPL", 5 * HOUR, step=20)

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 4_010, 6_650))
            harness.lose(4_010, 6_650)
            await harness.repair()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("AAPL", level) == truth_of(truth, level), level
            assert {b[1] for b in harness.vendor.asked[1:]} == {MINUTE_MS}
            seconds = redis.execute_command("TS.RANGE", keys.series("AAPL", "1s", "close"), at(4_011), at(6_649))
            assert seconds == []
            assert harness.gap().state == REPAIRED

    run(go())


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_gaps_repaired_at_any_time(redis_url: str, data: st.DataObject) -> None:
    """Several gaps, each repaired a while later, with live bars between the repairs."""
    with connect(redis_url) as redis:
        redis.flushall()
    seconds = data.draw(st.sets(st.integers(0, 5 * HOUR), min_size=5, max_size=150), "seconds")
    truth = [bar("A", s, 1_000_000 + s % 700, 1 + s % 50) for s in sorted(seconds)]
    edges = sorted(data.draw(st.sets(st.sampled_from([b.t for b in truth]), min_size=2, max_size=6), "edges"))
    gaps = list(zip(edges[::2], edges[1::2], strict=False))
    waits = [data.draw(st.integers(0, 2 * HOUR), "repaired after") * 1_000 for _ in gaps]

    async def go() -> None:
        async with Harness(redis_url, truth, schema=SCHEMA) as harness:
            live = [b for b in truth if not any(start < b.t < end for start, end in gaps)]
            position = 0
            for number, ((start, end), wait) in enumerate(zip(gaps, waits, strict=True)):
                until = sum(b.t <= end + wait for b in live)
                harness.hear(live[position:until])
                position = max(position, until)
                harness.lose((start - T0) / 1_000, (end - T0) / 1_000, gap=f"g{number}")
                if not data.draw(st.booleans(), "the next one comes before it is repaired"):
                    await harness.repair()
            harness.hear(live[position:])
            await harness.repair()
            await harness.writer.flushed()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("A", level) == truth_of(truth, level), level
            kept = truth[-1].t - harness.schema.retention_ms["1s"]
            expected = {c[0]: c for c in truth_of(truth, "1s") if c[0] >= kept}
            for candle in harness.candles("A", "1s"):
                assert candle == expected[candle[0]]

    run(go())


def test_what_is_stored_or_on_its_way_is_fresher(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 1_000)
    gap = [b for b in truth if at(400) < b.t < at(600)]
    stored, queued = gap[5]._replace(v=1, c=gap[5].l), gap[9]._replace(v=2, c=gap[9].h)

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear([*received(truth, 400, 600), stored])

            def meanwhile(symbol: str, start: int, end: int) -> None:
                if start <= queued.t <= end:
                    harness.hear([queued])

            harness.vendor.meanwhile = meanwhile
            harness.lose(400, 600)
            await harness.repair()
            after = sorted([*received(truth, 400, 600), stored, queued, *(gap[:5] + gap[6:9] + gap[10:])])
            assert harness.candles("AAPL", "1s") == truth_of(after, "1s")
            assert harness.candles("AAPL", "5m") == truth_of(after, "5m")

    run(go())


@pytest.mark.parametrize("built", [True, False])
def test_seconds_that_were_cut_by_the_gap_are_made_whole(redis: Redis, redis_url: str, built: bool) -> None:
    truth = [bar("AAPL", s, volume=100) for s in range(100)]
    parts = {s: truth[s]._replace(v=30, n=3) for s in (40, 50, 60)}

    async def go() -> None:
        async with Harness(redis_url, truth, built=built) as harness:
            harness.hear([parts.get(s, b) for s, b in enumerate(truth) if s <= 40 or s >= 60 or s == 50])
            harness.lose(40, 60)
            await harness.repair()
            volumes = {int(c[0] - T0) // 1_000: c[5] for c in harness.candles("AAPL", "1s")}
            assert (volumes[40], volumes[50], volumes[60]) == ((100, 30, 100) if built else (100, 30, 30))
            assert len(volumes) == 100
            assert harness.candles("AAPL", "5m")[0][5] == sum(volumes.values())

    run(go())


def test_a_correction_told_in_the_gap_of_a_second_before_it(redis: Redis, redis_url: str) -> None:
    """The vendor restates bars for 15 minutes: corrections sent during the gap concern seconds before it."""
    truth = [bar("AAPL", s, volume=100) for s in range(1_200)]
    early = {s: truth[s]._replace(v=60, n=6, c=truth[s].o) for s in (100, 250, 1_050, 1_099)}

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear([early.get(s, b) for s, b in enumerate(truth) if s <= 1_099 or s >= 1_120])
            harness.lose(1_099, 1_120)
            await harness.repair()
            expected = [early[100], *(b for b in truth if b.t != at(100))]
            for level in ("1s", "1m", "1h"):
                assert harness.candles("AAPL", level) == truth_of(expected, level), level
            assert (harness.gap().spikes, harness.gap().repaired_bars) == ("[]", 23)

    run(go())


def test_what_came_before_the_first_bar_that_was_heard_is_no_part_of_a_gap(redis: Redis, redis_url: str) -> None:
    truth = [bar(s, t) for t in range(0, 900, 10) for s in ("A", "B")]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear([b for b in truth if at(500) <= b.t <= at(600) or b.t >= at(700)])
            harness.lose(600, 700)
            await harness.repair()
            for symbol in ("A", "B"):
                expected = [b for b in truth if b.sym == symbol and b.t >= at(500)]
                assert harness.candles(symbol, "1s") == truth_of(expected, "1s")

    run(go())


def test_a_live_correction_while_the_vendor_answers_stays(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, volume=100) for s in range(60)]
    early, fresher = truth[8]._replace(v=60), truth[8]._replace(v=130, c=truth[8].h)

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear([early if s == 8 else b for s, b in enumerate(truth) if s <= 10 or s >= 30])
            read = harness.live.stored

            async def stored_and_then_restated() -> None:
                await read()
                harness.live.stored = read  # type: ignore[method-assign]
                harness.hear([fresher])

            harness.live.stored = stored_and_then_restated  # type: ignore[method-assign]
            harness.lose(10, 30)
            await harness.repair()
            expected = [fresher, *(b for b in truth if b.t != fresher.t)]
            assert harness.candles("AAPL", "1s") == truth_of(expected, "1s")

    run(go())


def test_a_feed_of_minute_bars_gets_its_minutes_back(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", HOUR)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]

    async def go() -> None:
        async with Harness(redis_url, truth, minutes_only=True) as harness:
            harness.hear(minutes[:20] + minutes[40:])
            harness.lose(19 * 60, 40 * 60)
            await harness.repair()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("AAPL", level) == truth_of(truth, level), level
            assert harness.candles("AAPL", "1s") == []
            assert harness.gap().repaired_bars == 20

    run(go())


def test_corrections_of_minute_bars_told_in_a_gap(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 900)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]
    early = [minutes[0]._replace(v=1), minutes[3]._replace(v=1), *minutes[1:3], *minutes[4:6]]

    async def go() -> None:
        async with Harness(redis_url, truth, minutes_only=True) as harness:
            harness.hear([*sorted(early, key=lambda b: b.t), *minutes[9:]])
            harness.lose(5 * 60, 9 * 60)
            await harness.repair()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("AAPL", level) == truth_of(truth, level), level
            assert harness.gap().repaired_bars == 5

    run(go())


def test_a_minute_bar_that_filled_its_minute_is_not_doubled(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 900)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear([b for b in truth if b.t <= at(240)])
            harness.hear([minutes[6]])
            harness.hear([b for b in truth if b.t >= at(720)])
            harness.lose(240, 720)
            await harness.repair()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("AAPL", level) == truth_of(truth, level), level

    run(go())


def test_a_quiet_symbol_that_traded_only_in_the_gap(redis: Redis, redis_url: str) -> None:
    """Its seconds follow its last one in order, so all of them can be written, whatever the length of the gap."""
    truth = [bar("QUIET", s, 90_000 + s) for s in (0, 5_000, 9_000, 17_000)]
    busy = [bar("BUSY", s) for s in (0, 100, 17_500, 18_000)]

    async def go() -> None:
        async with Harness(redis_url, truth + busy, schema=SCHEMA) as harness:
            harness.hear(sorted([truth[0], *busy], key=lambda b: b.t))
            harness.lose(100, 17_500)
            await harness.repair()
            for level in ("1m", "5m", "1h"):
                assert harness.candles("QUIET", level) == truth_of(truth, level), level
            assert json.loads(redis.get(keys.latest("QUIET")) or b"")["t"] == truth[-1].t

    run(go())


# --- what would have fired


def test_the_record_names_the_alerts_that_would_have_been_raised(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, 1_000_000) for s in range(300)] + [bar("MSFT", s, 1_000_000) for s in range(300)]
    for symbol, second, price in (
        ("AAPL", 120, 1_010_000), ("MSFT", 130, 990_000), ("MSFT", 135, 980_000), ("AAPL", 50, 1_020_000),
        ("MSFT", 200, 1_030_000),
    ):  # fmt: skip
        row = next(i for i, b in enumerate(truth) if b == bar(symbol, second, 1_000_000))
        truth[row] = bar(symbol, second, price)

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(sorted(received(truth, 100, 195), key=lambda b: b.t))
            # MSFT had fallen a while before, and its rise at 200 was noticed live.
            redis.hset(keys.ALERTS_FIRED, "velocity|MSFT|up", f"{at(200)}")
            redis.hset(keys.ALERTS_FIRED, "velocity|AAPL|up", f"{at(-400)}")
            harness.lose(100, 195)
            await harness.repair()
            assert json.loads(harness.gap().spikes) == [
                {"symbol": "AAPL", "t": at(120), "direction": "up", "magnitude": 1.0},
                {"symbol": "AAPL", "t": at(125), "direction": "down", "magnitude": pytest.approx(0.9901, abs=1e-3)},
                {"symbol": "MSFT", "t": at(130), "direction": "down", "magnitude": 1.0},
                {"symbol": "MSFT", "t": at(140), "direction": "up", "magnitude": pytest.approx(2.04, abs=1e-2)},
            ]

    run(go())


def test_an_alert_before_the_gap_keeps_its_cooldown(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, 1_010_000 if s >= 120 else 1_000_000) for s in range(300)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 100, 195))
            redis.hset(keys.ALERTS_FIRED, "velocity|AAPL|up", f"{at(-100)}")
            harness.lose(100, 195)
            await harness.repair()
            assert harness.gap().spikes == "[]"

    run(go())


def test_the_base_is_the_previous_close_where_it_is_known(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, 1_010_000 if s >= 120 else 1_000_000) for s in range(300)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            redis.hset("previous_close:{2025-10-10}", "AAPL", "50.0")
            harness.hear(received(truth, 100, 195))
            harness.lose(100, 195)
            await harness.repair()
            assert [(s["t"], s["magnitude"]) for s in json.loads(harness.gap().spikes)] == [(at(120), 2.0)]

    run(go())


def test_a_symbol_first_seen_after_a_late_start_was_repaired_is_repaired_too(redis: Redis, redis_url: str) -> None:
    """The daemon starts at second 600; B has its first live trade when the gap is repaired already."""
    truth = [bar(sym, s) for sym in "AB" for s in range(0, 1_200, 20)]

    async def work() -> None:
        async with Harness(redis_url, truth, late_symbols_s=0.0) as harness:
            harness.hear([b for b in truth if b.sym == "A" and b.t >= at(600)])
            harness.lose(0, 600, reason="not running")
            await harness.repair()
            harness.hear([b for b in truth if b.sym == "B" and b.t >= at(900)])
            redis.sadd(keys.SYMBOLS, "B")
            await harness.repair(lambda: [g.symbols for g in harness.gaps() if g.state == REPAIRED] == [("*",), ("B",)])
            await harness.repair(lambda: len(harness.vendor.asked) > 1)

    run(work())
    for symbol in "AB":
        minutes = [c.t for c in plain_candles([b for b in truth if b.sym == symbol], "1m", at(0), at(599), 100)]
        (found,) = read_candles(redis, [symbol], parse("1m"), at(0), at(599), 100)
        assert found.t.tolist() == minutes
