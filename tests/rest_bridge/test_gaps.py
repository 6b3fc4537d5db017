"""Gaps and coverage over REST."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from redis import Redis

from redis_functions.contract import keys
from tests.rest_bridge.conftest import Api, MakeApi

MINUTE = 60_000
OPENS = int(datetime(2025, 10, 10, 4, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000


def at(minute: int) -> int:
    return OPENS + minute * MINUTE


def logged(redis: Redis, gap: str, symbols: str, start: int | str, end: int | str, state: str, **more: str) -> None:
    fields: dict[Any, Any] = {
        "gap": gap,
        "symbols": symbols,
        "from": start,
        "to": end,
        "reason": "stall",
        "state": state,
    }
    redis.xadd(keys.gaps("stocks"), fields | more)


def test_the_newest_word_on_a_gap_counts(api: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL", "MSFT")
    redis.set(keys.MOVERS, json.dumps({"t": at(100)}))
    logged(redis, "g1", "*", at(10), "", "open")
    logged(redis, "g2", "AAPL,MSFT", at(50), at(55), "unrepairable")
    logged(redis, "g1", "*", at(10), at(20), "repaired")
    body = api.rows("gaps")
    nothing = {"reason": "stall", "repaired_bars": 0, "spikes": []}
    assert body["gaps"] == [
        {"symbol": "*", "from": at(10), "to": at(20), "state": "repaired", **nothing},
        {"symbol": "AAPL", "from": at(50), "to": at(55), "state": "unrepairable", **nothing},
        {"symbol": "MSFT", "from": at(50), "to": at(55), "state": "unrepairable", **nothing},
    ]
    assert body["coverage"] == {
        "date": "2025-10-10", "fraction": 0.95, "live_minutes": 170, "repaired_minutes": 20, "missing_minutes": 10,
    }  # fmt: skip


def test_of_one_symbol_and_of_a_range(api: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL", "MSFT")
    redis.set(keys.MOVERS, json.dumps({"t": at(100)}))
    logged(redis, "g1", "AAPL,MSFT", at(10), at(20), "open")
    logged(redis, "g2", "MSFT", at(30), at(40), "open")
    logged(redis, "g3", "*", at(60), "", "open")
    body = api.rows("gaps", symbol="AAPL")
    assert [(g["symbol"], g["to"]) for g in body["gaps"]] == [("AAPL", at(20)), ("*", None)]
    assert (body["coverage"]["missing_minutes"], body["coverage"]["live_minutes"]) == (50, 50)
    ranged = api.rows("gaps", from_=at(20), to=at(29))
    assert [g["from"] for g in ranged["gaps"]] == [at(10), at(10)]
    assert [g["from"] for g in api.rows("gaps", from_=at(500))["gaps"]] == [at(60)]


def test_without_gaps_and_events_all_is_covered(make_api: MakeApi) -> None:
    for api in (make_api(), make_api(always_open=True)):
        body = api.rows("gaps")
        assert body["gaps"] == []
        assert body["coverage"]["fraction"] == 1.0
        assert body["coverage"]["live_minutes"] == 0


def test_a_repaired_gap_tells_what_was_brought_back_and_what_would_have_fired(api: Api, redis: Redis) -> None:
    spikes = [
        {"symbol": "AAPL", "t": at(11), "direction": "up", "magnitude": 0.8},
        {"symbol": "MSFT", "t": at(12), "direction": "down", "magnitude": 1.25},
    ]
    logged(redis, "g1", "*", at(10), at(20), "repaired", repaired_bars="420", spikes=json.dumps(spikes))
    (row,) = api.rows("gaps")["gaps"]
    assert (row["repaired_bars"], row["spikes"]) == (420, spikes)
    (row,) = api.rows("gaps", symbol="MSFT")["gaps"]
    assert row["spikes"] == spikes[1:]


def test_a_holiday_has_no_minutes_and_a_short_day_fewer(make_api: MakeApi, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL")
    for day, minutes in (("2025-11-27", 0), ("2025-11-28", 13 * 60), ("2025-11-29", 0), ("2025-12-01", 16 * 60)):
        late = datetime.fromisoformat(f"{day}T23:00").replace(tzinfo=ZoneInfo("America/New_York"))
        redis.set(keys.MOVERS, json.dumps({"t": int(late.timestamp()) * 1000}))
        coverage = make_api().rows("gaps")["coverage"]
        assert (coverage["date"], coverage["live_minutes"]) == (day, minutes)
        assert make_api(always_open=True).rows("gaps")["coverage"]["live_minutes"] == 23 * 60


def test_foreign_entries_do_not_break_the_answer(api: Api, redis: Redis) -> None:
    redis.xadd(keys.gaps("stocks"), {"gap": "x", "from": "soon", "to": "-1", "state": "open", "spikes": "[{]"})
    (row,) = api.rows("gaps")["gaps"]
    assert (row["symbol"], row["from"], row["to"], row["spikes"]) == ("*", None, None, [])


def test_coverage_of_a_day_that_began_late(api: Api, redis: Redis) -> None:
    """The daemon was started at 05:00, lost the feed at 06:00 for 10 minutes (repaired) and at 06:30 for 5 (not yet); by 07:00
    MSFT has been seen too, first at 06:45, and its own part of the late start is not repaired yet.

    | minutes of 180 | AAPL | MSFT | NONE |
    |---|---|---|---|
    | live | 180 - 60 - 10 - 5 = 105 | 105 | |
    | repaired | 60 + 10 | 10 | |
    | missing | 5 | 60 + 5 | |
    """
    redis.sadd(keys.SYMBOLS, "AAPL", "MSFT")
    redis.set(keys.MOVERS, json.dumps({"t": at(180)}))
    logged(redis, "s:1:start", "*", at(0), at(60), "repaired")
    logged(redis, "s:1:start:2", "MSFT", at(0), at(60), "open")
    logged(redis, "g1", "*", at(120), at(130), "repaired")
    logged(redis, "g2", "*", at(150), at(155), "open")
    table = {
        "AAPL": (105, 70, 5, (105 + 70) / 180),
        "MSFT": (105, 10, 65, (105 + 10) / 180),
        None: (210, 80, 70, (210 + 80) / 360),
        "NONE": (0, 0, 0, None),
    }
    for symbol, (live, repaired, missing, fraction) in table.items():
        coverage = api.rows("gaps", **({"symbol": symbol} if symbol else {}))["coverage"]
        assert (coverage["live_minutes"], coverage["repaired_minutes"], coverage["missing_minutes"]) == (
            live, repaired, missing,
        )  # fmt: skip
        assert coverage["fraction"] == (None if fraction is None else int(fraction * 1_000_000) / 1_000_000)
