"""Gaps filled from the vendor: candles equal to the truth at every level, nothing fresher overwritten, records that say so."""

from __future__ import annotations

import asyncio
import itertools
import json
import logging
import random
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from redis import Redis

from ingest import repair_round
from ingest.vendor_rest import VendorRest
from market.bar import MINUTE_MS, Bar
from redis_functions import keys
from redis_functions.connection import connect
from redis_functions.gaps_reader import OPEN, REPAIRED, UNREPAIRABLE
from redis_functions.schema import Schema
from simulator.market import Market, now_s
from simulator.rest import Rest, serve
from tests.ingest.repair_world import T0, World, at, bar, from_candle, truth_of
from tests.ingest.vendor import Asked, Reply, Vendor, bars_reply

HOUR = 3_600
LEVELS = ("1s", "1m", "5m", "1h")


def tape(symbol: str, seconds: int, seed: int = 1, step: int = 3) -> list[Bar]:
    """A quiet random walk with a bar every few seconds."""
    draw = random.Random(f"{symbol}{seed}")
    price, bars, second = 1_000_000, [], 0
    while second < seconds:
        price += draw.randint(-40, 40)
        bars.append(bar(symbol, second, price, draw.randint(1, 900)))
        second += draw.randint(1, 2 * step)
    return bars


def heard(truth: list[Bar], start: float, end: float) -> list[Bar]:
    """All but what lies strictly between two seconds."""
    return [b for b in truth if not at(start) < b.t < at(end)]


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(test, 60))


def test_a_young_gap_is_filled_second_by_second(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", HOUR) + tape("MSFT", HOUR)

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 600, 1_700))
            await world.writer.flushed()
            latest, told = redis.get(keys.latest("AAPL")), redis.pubsub()
            told.subscribe(keys.CHANNEL_BARS)
            assert told.get_message(timeout=5)
            world.lose(600, 1_700)
            await world.repair()
            for symbol in ("AAPL", "MSFT"):
                own = [b for b in truth if b.sym == symbol]
                for level in LEVELS:
                    assert world.candles(symbol, level) == truth_of(own, level), (symbol, level)
            gap = world.gap()
            assert (gap.state, gap.reason, gap.spikes) == (REPAIRED, "drop", "[]")
            assert gap.repaired_bars == len(truth) - len(heard(truth, 600, 1_700))
            assert world.repairer.bars_repaired == gap.repaired_bars
            # Whoever acts on live bars is told nothing of the past.
            assert redis.get(keys.latest("AAPL")) == latest
            assert told.get_message(timeout=0.05) is None

    run(go())


def test_an_old_gap_is_filled_above_the_seconds(redis: Redis, redis_url: str) -> None:
    """Three hours of event time ago: the minutes at its edges were cut too."""
    truth = tape("AAPL", 5 * HOUR, step=20)

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 4_010, 6_650))
            world.lose(4_010, 6_650)
            await world.repair()
            for level in ("1m", "5m", "1h"):
                assert world.candles("AAPL", level) == truth_of(truth, level), level
            assert {b[1] for b in world.vendor.asked[1:]} == {MINUTE_MS}
            seconds = redis.execute_command("TS.RANGE", keys.series("AAPL", "1s", "close"), at(4_011), at(6_649))
            assert seconds == []
            assert world.gap().state == REPAIRED

    run(go())


SCHEMA = Schema({"1s": 4_500_000, "1m": 86_400_000, "5m": 86_400_000, "1h": 86_400_000})


@settings(max_examples=40, deadline=None)
@given(st.data())
def test_any_gaps_repaired_at_any_time(redis_url: str, data: st.DataObject) -> None:
    """Several gaps, each repaired when the tape has gone on for a while; what comes live goes on in between."""
    with connect(redis_url) as redis:
        redis.flushall()
    seconds = data.draw(st.sets(st.integers(0, 5 * HOUR), min_size=5, max_size=150), "seconds")
    truth = [bar("A", s, 1_000_000 + s % 700, 1 + s % 50) for s in sorted(seconds)]
    edges = sorted(data.draw(st.sets(st.sampled_from([b.t for b in truth]), min_size=2, max_size=6), "edges"))
    gaps = list(zip(edges[::2], edges[1::2], strict=False))
    waits = [data.draw(st.integers(0, 2 * HOUR), "repaired after") * 1_000 for _ in gaps]

    async def go() -> None:
        async with World(redis_url, truth, schema=SCHEMA) as world:
            live = [b for b in truth if not any(start < b.t < end for start, end in gaps)]
            position = 0
            for number, ((start, end), wait) in enumerate(zip(gaps, waits, strict=True)):
                until = sum(b.t <= end + wait for b in live)
                world.hear(live[position:until])
                position = max(position, until)
                world.lose((start - T0) / 1_000, (end - T0) / 1_000, gap=f"g{number}")
                if not data.draw(st.booleans(), "the next one comes before it is repaired"):
                    await world.repair()
            world.hear(live[position:])
            await world.repair()
            await world.writer.flushed()
            for level in ("1m", "5m", "1h"):
                assert world.candles("A", level) == truth_of(truth, level), level
            kept = truth[-1].t - world.schema.retention_ms["1s"]
            expected = {c[0]: c for c in truth_of(truth, "1s") if c[0] >= kept}
            for candle in world.candles("A", "1s"):
                assert candle == expected[candle[0]]

    run(go())


def test_what_is_stored_or_on_its_way_is_fresher(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 1_000)
    gap = [b for b in truth if at(400) < b.t < at(600)]
    stored, queued = gap[5]._replace(v=1, c=gap[5].l), gap[9]._replace(v=2, c=gap[9].h)

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear([*heard(truth, 400, 600), stored])

            def meanwhile(symbol: str, start: int, end: int) -> None:
                if start <= queued.t <= end:
                    world.hear([queued])

            world.vendor.meanwhile = meanwhile
            world.lose(400, 600)
            await world.repair()
            after = sorted([*heard(truth, 400, 600), stored, queued, *(gap[:5] + gap[6:9] + gap[10:])])
            assert world.candles("AAPL", "1s") == truth_of(after, "1s")
            assert world.candles("AAPL", "5m") == truth_of(after, "5m")

    run(go())


@pytest.mark.parametrize("built", [True, False])
def test_seconds_that_were_cut_by_the_gap_are_made_whole(redis: Redis, redis_url: str, built: bool) -> None:
    truth = [bar("AAPL", s, volume=100) for s in range(100)]
    parts = {s: truth[s]._replace(v=30, n=3) for s in (40, 50, 60)}

    async def go() -> None:
        async with World(redis_url, truth, built=built) as world:
            world.hear([parts.get(s, b) for s, b in enumerate(truth) if s <= 40 or s >= 60 or s == 50])
            world.lose(40, 60)
            await world.repair()
            volumes = {int(c[0] - T0) // 1_000: c[5] for c in world.candles("AAPL", "1s")}
            assert (volumes[40], volumes[50], volumes[60]) == ((100, 30, 100) if built else (100, 30, 30))
            assert len(volumes) == 100
            assert world.candles("AAPL", "5m")[0][5] == sum(volumes.values())

    run(go())


def test_a_correction_told_in_the_gap_of_a_second_before_it(redis: Redis, redis_url: str) -> None:
    """The vendor restates bars for 15 minutes: nobody heard the corrected ones, though their seconds lie before the gap."""
    truth = [bar("AAPL", s, volume=100) for s in range(1_200)]
    early = {s: truth[s]._replace(v=60, n=6, c=truth[s].o) for s in (100, 250, 1_050, 1_099)}

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear([early.get(s, b) for s, b in enumerate(truth) if s <= 1_099 or s >= 1_120])
            world.lose(1_099, 1_120)
            await world.repair()
            expected = [early[100], *(b for b in truth if b.t != at(100))]
            for level in ("1s", "1m", "1h"):
                assert world.candles("AAPL", level) == truth_of(expected, level), level
            assert (world.gap().spikes, world.gap().repaired_bars) == ("[]", 23)

    run(go())


def test_what_came_before_the_first_bar_that_was_heard_is_no_part_of_a_gap(redis: Redis, redis_url: str) -> None:
    truth = [bar(s, t) for t in range(0, 900, 10) for s in ("A", "B")]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear([b for b in truth if at(500) <= b.t <= at(600) or b.t >= at(700)])
            world.lose(600, 700)
            await world.repair()
            for symbol in ("A", "B"):
                expected = [b for b in truth if b.sym == symbol and b.t >= at(500)]
                assert world.candles(symbol, "1s") == truth_of(expected, "1s")

    run(go())


def test_a_live_correction_while_the_vendor_answers_stays(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, volume=100) for s in range(60)]
    early, fresher = truth[8]._replace(v=60), truth[8]._replace(v=130, c=truth[8].h)

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear([early if s == 8 else b for s, b in enumerate(truth) if s <= 10 or s >= 30])
            read = world.live.stored

            async def stored_and_then_restated() -> None:
                await read()
                world.live.stored = read  # type: ignore[method-assign]
                world.hear([fresher])

            world.live.stored = stored_and_then_restated  # type: ignore[method-assign]
            world.lose(10, 30)
            await world.repair()
            expected = [fresher, *(b for b in truth if b.t != fresher.t)]
            assert world.candles("AAPL", "1s") == truth_of(expected, "1s")

    run(go())


def test_a_feed_of_minute_bars_gets_its_minutes_back(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", HOUR)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]

    async def go() -> None:
        async with World(redis_url, truth, minutes_only=True) as world:
            world.hear(minutes[:20] + minutes[40:])
            world.lose(19 * 60, 40 * 60)
            await world.repair()
            for level in ("1m", "5m", "1h"):
                assert world.candles("AAPL", level) == truth_of(truth, level), level
            assert world.candles("AAPL", "1s") == []
            assert world.gap().repaired_bars == 20

    run(go())


def test_corrections_of_minute_bars_told_in_a_gap(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 900)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]
    early = [minutes[0]._replace(v=1), minutes[3]._replace(v=1), *minutes[1:3], *minutes[4:6]]

    async def go() -> None:
        async with World(redis_url, truth, minutes_only=True) as world:
            world.hear([*sorted(early, key=lambda b: b.t), *minutes[9:]])
            world.lose(5 * 60, 9 * 60)
            await world.repair()
            for level in ("1m", "5m", "1h"):
                assert world.candles("AAPL", level) == truth_of(truth, level), level
            assert world.gap().repaired_bars == 5

    run(go())


def test_a_minute_bar_that_filled_its_minute_is_not_doubled(redis: Redis, redis_url: str) -> None:
    truth = tape("AAPL", 900)
    minutes = [from_candle("AAPL", c, MINUTE_MS) for c in truth_of(truth, "1m")]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear([b for b in truth if b.t <= at(240)])
            world.hear([minutes[6]])
            world.hear([b for b in truth if b.t >= at(720)])
            world.lose(240, 720)
            await world.repair()
            for level in ("1m", "5m", "1h"):
                assert world.candles("AAPL", level) == truth_of(truth, level), level

    run(go())


def test_a_quiet_symbol_that_traded_only_in_the_gap(redis: Redis, redis_url: str) -> None:
    """Its seconds follow its last one in order, so all of them can be written, however long the gap was."""
    truth = [bar("QUIET", s, 90_000 + s) for s in (0, 5_000, 9_000, 17_000)]
    busy = [bar("BUSY", s) for s in (0, 100, 17_500, 18_000)]

    async def go() -> None:
        async with World(redis_url, truth + busy, schema=SCHEMA) as world:
            world.hear(sorted([truth[0], *busy], key=lambda b: b.t))
            world.lose(100, 17_500)
            await world.repair()
            for level in ("1m", "5m", "1h"):
                assert world.candles("QUIET", level) == truth_of(truth, level), level
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
        async with World(redis_url, truth) as world:
            world.hear(sorted(heard(truth, 100, 195), key=lambda b: b.t))
            # MSFT had fallen a while before, and its rise at 200 was noticed live.
            redis.hset(keys.ALERTS_FIRED, "velocity|MSFT|up", f"{at(200)}")
            redis.hset(keys.ALERTS_FIRED, "velocity|AAPL|up", f"{at(-400)}")
            world.lose(100, 195)
            await world.repair()
            assert json.loads(world.gap().spikes) == [
                {"symbol": "AAPL", "t": at(120), "direction": "up", "magnitude": 1.0},
                {"symbol": "AAPL", "t": at(125), "direction": "down", "magnitude": pytest.approx(0.9901, abs=1e-3)},
                {"symbol": "MSFT", "t": at(130), "direction": "down", "magnitude": 1.0},
                {"symbol": "MSFT", "t": at(140), "direction": "up", "magnitude": pytest.approx(2.04, abs=1e-2)},
            ]

    run(go())


def test_an_alert_before_the_gap_keeps_its_cooldown(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, 1_010_000 if s >= 120 else 1_000_000) for s in range(300)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 100, 195))
            redis.hset(keys.ALERTS_FIRED, "velocity|AAPL|up", f"{at(-100)}")
            world.lose(100, 195)
            await world.repair()
            assert world.gap().spikes == "[]"

    run(go())


def test_the_base_is_the_previous_close_where_it_is_known(redis: Redis, redis_url: str) -> None:
    truth = [bar("AAPL", s, 1_010_000 if s >= 120 else 1_000_000) for s in range(300)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            redis.hset("previous_close:{2025-10-10}", "AAPL", "50.0")
            world.hear(heard(truth, 100, 195))
            world.lose(100, 195)
            await world.repair()
            assert [(s["t"], s["magnitude"]) for s in json.loads(world.gap().spikes)] == [(at(120), 2.0)]

    run(go())


# --- when it cannot, or not yet


def closed(world: World, gap: str = "g") -> tuple[str, str, int]:
    found = world.gap(gap)
    return found.state, found.reason, found.repaired_bars


def test_without_rest_and_without_minutes_there_is_no_repair(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", 0), bar("A", 60), bar("A", 3 * 86_400)]

    async def go() -> None:
        async with World(redis_url, truth, rest=False) as world:
            world.hear([truth[0], truth[1]])
            world.lose(0, 60)
            await world.repair()
            assert closed(world) == (UNREPAIRABLE, "drop; no REST of the vendor is configured", 0)
        async with World(redis_url, truth, schema=SCHEMA) as world:
            world.hear([truth[0], truth[2]])
            world.lose(0, 60, gap="old")
            await world.repair()
            assert closed(world, "old") == (UNREPAIRABLE, "drop; older than minutes are kept", 0)
            assert world.vendor.asked == []

    run(go())


def test_a_gap_that_is_partly_too_old_is_repaired_as_far_as_it_can_be(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 30 * HOUR, step=120)

    async def go() -> None:
        async with World(redis_url, truth, schema=SCHEMA) as world:
            world.hear(heard(truth, HOUR, 20 * HOUR))
            world.lose(HOUR, 20 * HOUR)
            await world.repair()
            state, reason, bars = closed(world)
            assert (state, reason) == (UNREPAIRABLE, "drop; a part of it is older than minutes are kept")
            assert bars > 300
            edge = truth[-1].t - SCHEMA.retention_ms["1h"]
            whole = edge + -edge % 3_600_000
            assert [c for c in world.candles("A", "1h") if c[0] >= whole] == [
                c for c in truth_of(truth, "1h") if c[0] >= whole
            ]

    run(go())


def test_a_vendor_that_refuses_everything_is_not_asked_for_every_symbol(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(20)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 0, 20))
            world.vendor.refuses = {f"S{i}" for i in range(20)}
            world.lose(0, 20)
            await world.repair()
            assert closed(world) == (UNREPAIRABLE, "drop; the vendor's REST answers 403", 0)
            assert len(world.vendor.asked) <= 4

    run(go())


def test_symbols_that_are_refused_get_a_record_of_their_own(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(8)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 0, 20))
            world.vendor.refuses = {"S2", "S3", "S4", "S5", "S6"}
            redis.sadd(keys.watchlist("mine"), "S1")
            world.lose(0, 20)
            await world.repair()
            assert closed(world) == (REPAIRED, "drop", 3)
            assert closed(world, "g-refused") == (UNREPAIRABLE, "drop; the vendor's REST answers 403", 0)
            assert world.gap("g-refused").symbols == ("S2", "S3", "S4", "S5", "S6")
            found = world.repairer.completeness(8)
            assert (found.repaired, found.unrepairable) == (1, 1)
            assert found.coverage[2:] == (3, 5)

    run(go())


def test_what_is_left_is_tried_again_and_what_is_done_is_not(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(6)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 0, 20))
            world.vendor.fails = {"S1": 1, "S2": 2}
            redis.sadd(keys.watchlist("mine"), "S0")
            world.lose(0, 20, ",".join(f"S{i}" for i in range(6)))
            await world.repair()
            assert closed(world) == (REPAIRED, "drop", 6)
            asked = [symbol for symbol, _, start, _ in world.vendor.asked if start < at(15)]
            assert {s: asked.count(s) for s in set(asked)} == {"S0": 1, "S1": 2, "S2": 3, "S3": 1, "S4": 1, "S5": 1}
            assert redis.keys("gaps:*progress*") == []

    run(go())


def test_a_vendor_that_is_away_is_left_in_peace(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(30)]

    async def go() -> None:
        async with World(redis_url, truth, backoff_s=(0.01, 60.0)) as world:
            world.hear(heard(truth, 0, 20))
            world.vendor.fails = {f"S{i}": 99 for i in range(30)}
            world.lose(0, 20, "S1,S2,S3,S4,S5")
            await world.repair(until=lambda: len(world.vendor.asked) >= 2)
            await asyncio.sleep(0.05)
            assert len(world.vendor.asked) <= 8
            assert world.gap().state == OPEN

    run(go())


def test_a_restarted_repairer_goes_on_where_it_was(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s, 1_000_000 + 10_000 * (s >= 10)) for s in (0, 5, 10, 20) for i in range(10)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 0, 20))
            world.lose(0, 20)
            world.vendor.silent_from = 5
            progress = keys.gap_progress("stocks", "g")
            await world.repair(until=lambda: len(world.vendor.asked) > 5 and redis.hlen(progress) == 5)
            assert world.gap().state == OPEN
            done = {
                str(key, "utf-8") for key in redis.hkeys(keys.gap_progress("stocks", "g")) if isinstance(key, bytes)
            }
            assert len(done) == 5
            world.vendor.asked.clear()
            world.vendor.silent_from = 100
            await world.repair(repairer=world.new_repairer())
            assert not done & {symbol for symbol, *_ in world.vendor.asked}
            assert closed(world) == (REPAIRED, "drop", 20)
            spikes = json.loads(world.gap().spikes)
            assert [(s["symbol"], s["t"], s["direction"]) for s in spikes] == [
                (f"S{i}", at(10), "up") for i in range(10)
            ]

    run(go())


def test_the_spikes_of_a_symbol_that_a_crash_left_half_done_are_not_forgotten(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", s, 1_010_000 if s == 20 else 1_000_000) for s in range(60)]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 10, 40))
            world.live.store([b for b in truth if at(10) < b.t < at(40)])  # written, but nothing was noted
            world.lose(10, 40)
            await world.repair()
            spikes = [(s["t"], s["direction"]) for s in json.loads(world.gap().spikes)]
            assert spikes == [(at(20), "up"), (at(25), "down")]

    run(go())


def test_the_vendor_is_given_time_to_catch_up(redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    truth = tape("A", 600, step=1)
    caplog.set_level(logging.INFO, "tapewatch.repair")

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.hear(heard(truth, 100, 200))
            world.vendor.knows_to = at(150)
            world.lose(100, 200)
            await world.repair(until=lambda: len(world.vendor.asked) > 5)
            assert world.gap().state == OPEN
            world.vendor.knows_to = at(10_000)
            await world.repair()
            assert world.candles("A", "1s") == truth_of(truth, "1s")
        assert "behind the feed" in caplog.text
        assert "is repaired" in caplog.text
        async with World(redis_url, truth, behind_s=0.0) as world:
            world.hear(heard(truth, 300, 400))
            world.vendor.knows_to = at(150)
            world.lose(300, 400, gap="h")
            await world.repair()
            assert world.gap("h").state == REPAIRED

    run(go())


def test_a_gap_is_left_alone_until_its_end_is_known_and_has_settled(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", s) for s in range(60)]

    async def go() -> None:
        async with World(redis_url, truth, settle_ms=5_000, quiet_s=3_600) as world:
            world.hear(truth[:11])
            fields: dict[Any, Any] = {"gap": "g", "symbols": "*", "from": at(10), "to": "", "state": OPEN}
            redis.xadd(keys.gaps("stocks"), fields)
            world.hear(truth[20:24])
            world.lose(10, 20, gap="h")
            turns = iter(range(10))
            await world.repair(until=lambda: next(turns, None) is None)
            assert world.vendor.asked == []
            world.hear(truth[24:26])
            await world.repair(until=lambda: world.gap("h").state == REPAIRED)
            assert world.gap("g").state == OPEN

    run(go())


def test_newest_gaps_first_and_in_them_what_is_watched(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair_round, "AT_ONCE", 1)  # of several at once nobody can say which is asked for first
    names = ["LATE", "EARLY", "LOUD", "MINE"]
    truth = [bar(s, t) for t in (0, 10, 20, 2_000, 2_010, 2_020) for s in names]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            world.vendor.truth.append(bar("LATE", 2_045))
            world.hear([b for b in world.vendor.truth if b.t not in (at(10), at(2_010))])
            redis.sadd(keys.watchlist("w"), "MINE", "UNKNOWN")
            redis.hset(keys.watchlist_settings("w"), "email", "x@example.org")
            redis.set(keys.MOVERS, json.dumps({"t": 1, "volume": [{"symbol": "LOUD"}]}))
            world.lose(0, 20, gap="a")
            world.lose(2_000, 2_020, gap="b")
            await world.repair()
            asked = [(end > at(30), symbol) for symbol, _, _, end in world.vendor.asked if end < at(2_044)]
            assert asked == [(new, s) for new in (True, False) for s in ("MINE", "LOUD", "LATE", "EARLY")]

    run(go())


def test_gaps_near_each_other_are_repaired_by_one_question_a_symbol(redis: Redis, redis_url: str) -> None:
    """A connection that flaps: each gap gets its own bars and spikes; a symbol of one gap alone is not asked for the other."""
    truth = [bar(s, t, 1_010_000 if t >= 290 else 1_000_000) for t in range(400) for s in ("A", "B")]

    async def go() -> None:
        async with World(redis_url, truth) as world:
            gone = {at(t) for t in (*range(101, 110), *range(281, 300))}
            world.hear([b for b in truth if b.t not in gone or (b.sym == "B" and b.t < at(200))])
            world.lose(100, 110, "A", gap="first")
            world.lose(280, 300, gap="second")
            await world.repair()
            for symbol in ("A", "B"):
                own = [b for b in truth if b.sym == symbol]
                for level in LEVELS:
                    assert world.candles(symbol, level) == truth_of(own, level), (symbol, level)
            assert [closed(world, g) for g in ("first", "second")] == [(REPAIRED, "drop", 9), (REPAIRED, "drop", 38)]
            assert world.repairer.bars_repaired == 47
            assert json.loads(world.gap("first").spikes) == []
            assert [(s["symbol"], s["t"]) for s in json.loads(world.gap("second").spikes)] == [
                ("A", at(290)),
                ("B", at(290)),
            ]
            answered = [symbol for symbol, _, start, _ in world.vendor.asked if start < at(200)]
            assert sorted(answered) == ["A", "B"]

    run(go())


def test_a_redis_that_goes_away_costs_no_patience(redis: Redis, redis_url: str) -> None:
    """Errors of Redis say nothing of the vendor: the gap is tried again soon, however often they come."""
    truth = [bar("A", s) for s in (0, 10, 20)]

    async def go() -> None:
        async with World(redis_url, truth, backoff_s=(0.01, 3_600.0)) as world:
            world.hear(heard(truth, 0, 20))
            key = keys.gap_progress("stocks", "g")
            redis.set(key, "of another type")
            world.lose(0, 20)
            turns = iter(range(10))
            await world.repair(until=lambda: next(turns, None) is None)
            redis.delete(key)
            await world.repair()
            assert closed(world) == (REPAIRED, "drop", 1)

    run(go())


# --- against the simulator's REST, over HTTP


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
        vendor = VendorRest(f"http://127.0.0.1:{server.server_port}", "any", 200)
        async with World(redis_url) as world:
            world.rest = vendor
            world.hear([b for b in truth if not (start + 300) * 1000 < b.t < (start + 700) * 1000])
            world.lose(start + 300 - T0 // 1_000, start + 700 - T0 // 1_000)
            await world.repair(repairer=world.new_repairer())
            for name in market.names:
                own = [b for b in truth if b.sym == name]
                for level in LEVELS:
                    assert world.candles(name, level) == truth_of(own, level), (name, level)
            assert world.gap().repaired_bars > 100
        vendor.close()

    run(go())
    server.shutdown()
    server.server_close()


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
            vendor = VendorRest(server.url, "any", 200, sleep=lambda seconds: None)
            async with World(redis_url) as world:
                world.rest = vendor
                world.hear(sorted(heard(truth, 200, 700), key=lambda b: b.t))
                world.lose(200, 700)
                await world.repair(repairer=world.new_repairer())
                for symbol in ("A", "B"):
                    for level in LEVELS:
                        own = [b for b in truth if b.sym == symbol]
                        assert world.candles(symbol, level) == truth_of(own, level), (symbol, level)
            assert vendor.retried == 3
            vendor.close()

    run(go())
