"""Gaps and coverage: the arithmetic, and over REST."""

from __future__ import annotations

import json
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from market.sessions import trading_day
from redis_functions import keys
from redis_functions.gaps_reader import Gap
from rest_bridge.coverage import coverage, market_hours
from tests.rest_bridge.conftest import Api, MakeApi

MINUTE = 60_000
OPENS = int(datetime(2025, 10, 10, 4, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000


def at(minute: int) -> int:
    return OPENS + minute * MINUTE


def logged(redis: Redis, gap: str, symbols: str, start: int | str, end: int | str, state: str) -> None:
    fields = {"gap": gap, "symbols": symbols, "from": start, "to": end, "reason": "stall", "state": state}
    redis.xadd(keys.gaps("stocks"), fields)


def test_market_hours() -> None:
    friday, saturday = trading_day(date(2025, 10, 10)), trading_day(date(2025, 10, 11))
    assert market_hours(friday, False) == (OPENS, OPENS + 16 * 60 * MINUTE)
    assert market_hours(friday, True) == (friday.start, friday.end)
    closed = market_hours(saturday, False)
    assert closed[0] == closed[1]


GAPS = st.lists(
    st.builds(
        Gap,
        st.sampled_from([("*",), ("A",), ("B",), ("A", "C")]),
        st.one_of(st.none(), st.integers(-20, 130).map(at)),
        st.one_of(st.none(), st.integers(-20, 130).map(at)),
        st.just("stall"),
        st.sampled_from(["open", "repaired", "unrepairable"]),
    ),
    max_size=8,
)


@given(GAPS, st.integers(-5, 120))
def test_each_minute_of_a_symbol_counts_once(gaps: list[Gap], now: int) -> None:
    """Against counting every minute of every symbol one by one; what is missing in one gap is missing."""
    counts = {"live": 0, "repaired": 0, "missing": 0}
    for symbol in ("A", "B", "C"):
        for minute in range(max(0, min(now, 100))):
            inside = [
                g.state
                for g in gaps
                if g.concerns(symbol)
                and (g.start is None or g.start <= at(minute))
                and (g.end is None or g.end >= at(minute + 1))
            ]
            missing = any(state != "repaired" for state in inside)
            counts["missing" if missing else "repaired" if inside else "live"] += 1
    got = coverage(gaps, 3, (OPENS, at(100)), at(now))
    assert got[1:] == (counts["live"], counts["repaired"], counts["missing"])
    total = sum(counts.values())
    assert got.fraction == (pytest.approx(1 - counts["missing"] / total, abs=1e-6) if total else 1.0)


def test_the_newest_word_on_a_gap_counts(api: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL", "MSFT")
    redis.set(keys.MOVERS, json.dumps({"t": at(100)}))
    logged(redis, "g1", "*", at(10), "", "open")
    logged(redis, "g2", "AAPL,MSFT", at(50), at(55), "unrepairable")
    logged(redis, "g1", "*", at(10), at(20), "repaired")
    body = api.rows("gaps")
    assert body["gaps"] == [
        {"symbol": "*", "from": at(10), "to": at(20), "reason": "stall", "state": "repaired"},
        {"symbol": "AAPL", "from": at(50), "to": at(55), "reason": "stall", "state": "unrepairable"},
        {"symbol": "MSFT", "from": at(50), "to": at(55), "reason": "stall", "state": "unrepairable"},
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
