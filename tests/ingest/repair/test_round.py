"""Repairs that fail or have to wait: errors, restarts, order."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest
from redis import Redis

from ingest.repair import round as repair_round
from redis_functions.contract import keys
from redis_functions.read.gaps import OPEN, REPAIRED, UNREPAIRABLE
from tests.ingest.repair.harness import (
    HOUR,
    LEVELS,
    SCHEMA,
    Harness,
    at,
    bar,
    closed,
    received,
    run,
    tape,
    truth_of,
)


def test_without_rest_and_without_minutes_there_is_no_repair(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", 0), bar("A", 60), bar("A", 3 * 86_400)]

    async def go() -> None:
        async with Harness(redis_url, truth, rest=False) as harness:
            harness.hear([truth[0], truth[1]])
            harness.lose(0, 60)
            await harness.repair()
            assert closed(harness) == (UNREPAIRABLE, "drop; no REST of the vendor is configured", 0)
        async with Harness(redis_url, truth, schema=SCHEMA) as harness:
            harness.hear([truth[0], truth[2]])
            harness.lose(0, 60, gap="old")
            await harness.repair()
            assert closed(harness, "old") == (UNREPAIRABLE, "drop; older than minutes are kept", 0)
            assert harness.vendor.asked == []

    run(go())


def test_a_gap_that_is_partly_too_old_is_repaired_as_far_as_it_can_be(redis: Redis, redis_url: str) -> None:
    truth = tape("A", 30 * HOUR, step=120)

    async def go() -> None:
        async with Harness(redis_url, truth, schema=SCHEMA) as harness:
            harness.hear(received(truth, HOUR, 20 * HOUR))
            harness.lose(HOUR, 20 * HOUR)
            await harness.repair()
            state, reason, bars = closed(harness)
            assert (state, reason) == (UNREPAIRABLE, "drop; a part of it is older than minutes are kept")
            assert bars > 300
            edge = truth[-1].t - SCHEMA.retention_ms["1h"]
            whole = edge + -edge % 3_600_000
            assert [c for c in harness.candles("A", "1h") if c[0] >= whole] == [
                c for c in truth_of(truth, "1h") if c[0] >= whole
            ]

    run(go())


def test_a_vendor_that_refuses_everything_is_not_asked_for_every_symbol(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(20)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.refuses = {f"S{i}" for i in range(20)}
            harness.lose(0, 20)
            await harness.repair()
            assert closed(harness) == (UNREPAIRABLE, "drop; the vendor's REST answers 403", 0)
            assert len(harness.vendor.asked) <= 4

    run(go())


def test_symbols_that_are_refused_get_a_record_of_their_own(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(8)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.refuses = {"S2", "S3", "S4", "S5", "S6"}
            redis.sadd(keys.watchlist("mine"), "S1")
            harness.lose(0, 20)
            await harness.repair()
            assert closed(harness) == (REPAIRED, "drop", 3)
            assert closed(harness, "g-refused") == (UNREPAIRABLE, "drop; the vendor's REST answers 403", 0)
            assert harness.gap("g-refused").symbols == ("S2", "S3", "S4", "S5", "S6")
            found = harness.repairer.completeness(8)
            assert (found.repaired, found.unrepairable) == (1, 1)
            assert found.coverage[2:] == (3, 5)

    run(go())


def test_what_is_left_is_tried_again_and_what_is_done_is_not(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(6)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.fails = {"S1": 1, "S2": 2}
            redis.sadd(keys.watchlist("mine"), "S0")
            harness.lose(0, 20, ",".join(f"S{i}" for i in range(6)))
            await harness.repair()
            assert closed(harness) == (REPAIRED, "drop", 6)
            asked = [symbol for symbol, _, start, _ in harness.vendor.asked if start < at(15)]
            assert {s: asked.count(s) for s in set(asked)} == {"S0": 1, "S1": 2, "S2": 3, "S3": 1, "S4": 1, "S5": 1}
            assert redis.keys("gaps:*progress*") == []

    run(go())


def test_rows_that_cannot_be_right_are_asked_for_again(redis: Redis, redis_url: str) -> None:
    """The others are written at once; a row that is right later is written then, and its gap is not repaired before."""
    truth = [bar(f"S{i}", s) for s in (0, 10, 11, 20) for i in range(4)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.spoils = {"S1": 1, "S2": 2}
            harness.lose(0, 20, "S1,S2,S3")
            await harness.repair()
            assert closed(harness) == (REPAIRED, "drop", 6)
            for i in (1, 2, 3):
                assert harness.candles(f"S{i}", "1s") == truth_of([b for b in truth if b.sym == f"S{i}"], "1s")

    run(go())


def test_a_symbol_whose_rows_stay_unusable_gets_a_record_of_its_own(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (5, 10, 11, 20) for i in range(3)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.spoils = {"S1": 99}
            harness.lose(0, 20, "S0,S1,S2")
            await harness.repair()
            assert closed(harness) == (REPAIRED, "drop", 8)
            why = "drop; 1 of the vendor's rows cannot be right"
            assert closed(harness, "g-refused") == (UNREPAIRABLE, why, 0)
            assert harness.gap("g-refused").symbols == ("S1",)

    run(go())


def test_a_vendor_that_is_away_is_left_in_peace(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s) for s in (0, 10, 20) for i in range(30)]

    async def go() -> None:
        async with Harness(redis_url, truth, backoff_s=(0.01, 60.0)) as harness:
            harness.hear(received(truth, 0, 20))
            harness.vendor.fails = {f"S{i}": 99 for i in range(30)}
            harness.lose(0, 20, "S1,S2,S3,S4,S5")
            await harness.repair(until=lambda: len(harness.vendor.asked) >= 2)
            await asyncio.sleep(0.05)
            assert len(harness.vendor.asked) <= 8
            assert harness.gap().state == OPEN

    run(go())


def test_a_restarted_repairer_goes_on_where_it_was(redis: Redis, redis_url: str) -> None:
    truth = [bar(f"S{i}", s, 1_000_000 + 10_000 * (s >= 10)) for s in (0, 5, 10, 20) for i in range(10)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 0, 20))
            harness.lose(0, 20)
            harness.vendor.silent_from = 5
            progress = keys.gap_progress("stocks", "g")
            await harness.repair(until=lambda: len(harness.vendor.asked) > 5 and redis.hlen(progress) == 5)
            assert harness.gap().state == OPEN
            done = {
                str(key, "utf-8") for key in redis.hkeys(keys.gap_progress("stocks", "g")) if isinstance(key, bytes)
            }
            assert len(done) == 5
            harness.vendor.asked.clear()
            harness.vendor.silent_from = 100
            await harness.repair(repairer=harness.new_repairer())
            assert not done & {symbol for symbol, *_ in harness.vendor.asked}
            assert closed(harness) == (REPAIRED, "drop", 20)
            spikes = json.loads(harness.gap().spikes)
            assert [(s["symbol"], s["t"], s["direction"]) for s in spikes] == [
                (f"S{i}", at(10), "up") for i in range(10)
            ]

    run(go())


def test_the_spikes_of_a_symbol_that_a_crash_left_half_done_are_not_forgotten(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", s, 1_010_000 if s == 20 else 1_000_000) for s in range(60)]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 10, 40))
            harness.live.store([b for b in truth if at(10) < b.t < at(40)])  # written, but nothing was noted
            harness.lose(10, 40)
            await harness.repair()
            spikes = [(s["t"], s["direction"]) for s in json.loads(harness.gap().spikes)]
            assert spikes == [(at(20), "up"), (at(25), "down")]

    run(go())


def test_the_vendor_is_given_time_to_catch_up(redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    truth = tape("A", 600, step=1)
    caplog.set_level(logging.INFO, "tapewatch.repair")

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.hear(received(truth, 100, 200))
            harness.vendor.knows_to = at(150)
            harness.lose(100, 200)
            await harness.repair(until=lambda: len(harness.vendor.asked) > 5)
            assert harness.gap().state == OPEN
            harness.vendor.knows_to = at(10_000)
            await harness.repair(until=lambda: "is repaired" in caplog.text)  # logged once it is written
            assert harness.gap().state == REPAIRED
            assert harness.candles("A", "1s") == truth_of(truth, "1s")
        assert "behind the feed" in caplog.text
        async with Harness(redis_url, truth, behind_s=0.0) as harness:
            harness.hear(received(truth, 300, 400))
            harness.vendor.knows_to = at(150)
            harness.lose(300, 400, gap="h")
            await harness.repair()
            assert harness.gap("h").state == REPAIRED

    run(go())


def test_a_gap_is_left_alone_until_its_end_is_known_and_has_settled(redis: Redis, redis_url: str) -> None:
    truth = [bar("A", s) for s in range(60)]

    async def go() -> None:
        async with Harness(redis_url, truth, settle_ms=5_000, quiet_s=3_600) as harness:
            harness.hear(truth[:11])
            fields: dict[Any, Any] = {"gap": "g", "symbols": "*", "from": at(10), "to": "", "state": OPEN}
            redis.xadd(keys.gaps("stocks"), fields)
            harness.hear(truth[20:24])
            harness.lose(10, 20, gap="h")
            turns = iter(range(10))
            await harness.repair(until=lambda: next(turns, None) is None)
            assert harness.vendor.asked == []
            harness.hear(truth[24:26])
            await harness.repair(until=lambda: harness.gap("h").state == REPAIRED)
            assert harness.gap("g").state == OPEN

    run(go())


def test_newest_gaps_first_and_in_them_what_is_watched(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repair_round, "AT_ONCE", 1)  # the order of concurrent requests is undefined
    names = ["LATE", "EARLY", "LOUD", "MINE"]
    truth = [bar(s, t) for t in (0, 10, 20, 2_000, 2_010, 2_020) for s in names]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            harness.vendor.truth.append(bar("LATE", 2_045))
            harness.hear([b for b in harness.vendor.truth if b.t not in (at(10), at(2_010))])
            redis.sadd(keys.watchlist("w"), "MINE", "UNKNOWN")
            redis.hset(keys.watchlist_settings("w"), "email", "x@example.org")
            redis.set(keys.MOVERS, json.dumps({"t": 1, "volume": [{"symbol": "LOUD"}]}))
            harness.lose(0, 20, gap="a")
            harness.lose(2_000, 2_020, gap="b")
            await harness.repair()
            asked = [(end > at(30), symbol) for symbol, _, _, end in harness.vendor.asked if end < at(2_044)]
            assert asked == [(new, s) for new in (True, False) for s in ("MINE", "LOUD", "LATE", "EARLY")]

    run(go())


def test_gaps_near_each_other_are_repaired_by_one_question_a_symbol(redis: Redis, redis_url: str) -> None:
    """A flapping connection: each gap gets its own bars and spikes; a symbol of one gap is not requested for the other."""
    truth = [bar(s, t, 1_010_000 if t >= 290 else 1_000_000) for t in range(400) for s in ("A", "B")]

    async def go() -> None:
        async with Harness(redis_url, truth) as harness:
            gone = {at(t) for t in (*range(101, 110), *range(281, 300))}
            harness.hear([b for b in truth if b.t not in gone or (b.sym == "B" and b.t < at(200))])
            harness.lose(100, 110, "A", gap="first")
            harness.lose(280, 300, gap="second")
            await harness.repair()
            for symbol in ("A", "B"):
                own = [b for b in truth if b.sym == symbol]
                for level in LEVELS:
                    assert harness.candles(symbol, level) == truth_of(own, level), (symbol, level)
            assert [closed(harness, g) for g in ("first", "second")] == [(REPAIRED, "drop", 9), (REPAIRED, "drop", 38)]
            assert harness.repairer.bars_repaired == 47
            assert json.loads(harness.gap("first").spikes) == []
            assert [(s["symbol"], s["t"]) for s in json.loads(harness.gap("second").spikes)] == [
                ("A", at(290)),
                ("B", at(290)),
            ]
            answered = [symbol for symbol, _, start, _ in harness.vendor.asked if start < at(200)]
            assert sorted(answered) == ["A", "B"]

    run(go())


def test_a_redis_that_goes_away_costs_no_patience(redis: Redis, redis_url: str) -> None:
    """Errors of Redis are not errors of the vendor: the gap is tried again soon, however many there are."""
    truth = [bar("A", s) for s in (0, 10, 20)]

    async def go() -> None:
        async with Harness(redis_url, truth, backoff_s=(0.01, 3_600.0)) as harness:
            harness.hear(received(truth, 0, 20))
            key = keys.gap_progress("stocks", "g")
            redis.set(key, "of another type")
            harness.lose(0, 20)
            turns = iter(range(10))
            await harness.repair(until=lambda: next(turns, None) is None)
            redis.delete(key)
            await harness.repair()
            assert closed(harness) == (REPAIRED, "drop", 1)

    run(go())
