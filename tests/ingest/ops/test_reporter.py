"""What is told once a second: the movers snapshot, every statistic by its name, and the metrics."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis import Redis

from ingest.ops import reporter as module
from ingest.ops.reporter import TOP, Reporter, movers
from market.sessions import day_of
from redis_functions.contract import keys
from redis_functions.write.process_metrics import render
from tests.fake_vendor import second_bar
from tests.ingest.harness import Path, feed, running

T = 1_760_104_800_000
#: Statistics that dashboards and `/stats` are made of.
NAMES = {
    "active_symbols", "bars_per_second", "events_per_second", "lag_ms", "restated", "rejected", "duplicates", "late_prints",
    "symbols", "advancing", "declining", "unchanged", "redis_memory_bytes", "minute_bars_filled", "minute_bars_differ",
}  # fmt: skip


def market(redis_url: str, *frames: list[dict[str, Any]], closes: dict[str, float] | None = None) -> Path:
    """A hot path that was told `frames`, with previous closes from the first one on."""

    async def work() -> Path:
        async with running(redis_url) as path:
            await path.frame(*frames[0])
            if closes:
                path.pipeline.set_previous_closes(day_of(T), closes)
            for frame in frames[1:]:
                await path.frame(*frame)
        return path

    return asyncio.run(work())


def test_the_snapshot_ranks_by_signed_value_both_ways(redis: Redis, redis_url: str) -> None:
    first = [second_bar(s, T, 100.0, v) for s, v in (("UP", 10), ("DOWN", 30), ("FLAT", 20), ("NEW", 5))]
    second = [second_bar(s, T + 5_000, c, 1) for s, c in (("UP", 100.2), ("DOWN", 99.0), ("FLAT", 100.0))]
    path = market(redis_url, first, second, closes={"UP": 80.0, "DOWN": 120.0, "FLAT": 100.0})
    told = movers(path.pipeline)
    assert told["t"] == T + 5_000
    assert [r["symbol"] for r in told["velocity"]] == ["UP", "FLAT", "DOWN"]
    assert [r["symbol"] for r in told["velocity_down"]] == ["DOWN", "FLAT", "UP"]
    assert [r["symbol"] for r in told["change"]] == ["UP", "FLAT", "DOWN"]
    assert [r["symbol"] for r in told["change_down"]] == ["DOWN", "FLAT", "UP"]
    assert [(r["symbol"], r["volume"]) for r in told["volume"]] == [("DOWN", 31), ("FLAT", 21), ("UP", 11), ("NEW", 5)]
    assert told["change"][0] == {
        "symbol": "UP", "last": 100.2, "velocity": 0.25, "change": 25.25, "volume": 11, "t": T + 5_000,
    }  # fmt: skip
    assert told["volume"][3] == {"symbol": "NEW", "last": 100.0, "velocity": None, "change": None, "volume": 5, "t": T}


def test_a_move_of_an_hour_ago_is_none_now(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar("F", T)], [second_bar("F", T + 5_000, 101.0)], [second_bar("X", T + 11_000)])
    told = movers(path.pipeline)
    assert told["velocity"] == []
    assert {r["symbol"]: r["velocity"] for r in told["volume"]} == {"F": None, "X": None}


def test_only_symbols_of_the_day_take_part(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar("OLD", T), second_bar("F", T)], [second_bar("F", T + 24 * 3_600_000, 110.0)])
    told = movers(path.pipeline)
    assert [r["symbol"] for r in told["volume"]] == ["F"]
    assert [(r["symbol"], r["change"]) for r in told["change"]] == [("F", 10.0)]


def test_each_list_is_cut_to_its_best(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar(f"S{n}", T, 100.0, 1000 + n) for n in range(TOP + 30)])
    rows = movers(path.pipeline)["volume"]
    assert [r["volume"] for r in rows] == [1000 + TOP + 29 - n for n in range(TOP)]


def test_before_any_bar_the_snapshot_is_empty(redis: Redis, redis_url: str) -> None:
    told = movers(feed(redis_url, []).pipeline)
    assert told.pop("t") == 0
    assert all(rows == [] for rows in told.values())


def newest(redis: Redis, name: str) -> float:
    return float(redis.execute_command("TS.GET", keys.stat(name))[1])


def report_once(redis_url: str, redis: Redis, *frames: list[dict[str, Any]], **options: Any) -> None:
    """One report after the frames."""

    async def work() -> None:
        async with running(redis_url, **options) as path:
            reporter = Reporter(path.client, path.pipeline, lambda: {"connected": 1.0, "alerts": 3.0})
            for frame in frames:
                await path.frame(*frame)
            task = asyncio.create_task(reporter.run())
            while not redis.exists(keys.metrics("ingest")):
                await asyncio.sleep(0.01)
            task.cancel()

    asyncio.run(work())


def test_every_statistic_is_written_under_its_name(redis: Redis, redis_url: str) -> None:
    bad = second_bar("F", T) | {"c": "x"}
    frames = [
        [second_bar("F", T), second_bar("F", T), second_bar("F", T - 2 * 3_600_000), bad, {"ev": "Q", "sym": "F"}]
    ]
    report_once(redis_url, redis, *frames)
    written = {key.decode().removeprefix("ts:stats:") for key in redis.scan_iter("ts:stats:*")}
    assert written >= NAMES | {"connected", "alerts"}
    values = {name: newest(redis, name) for name in written}
    assert (values["restated"], values["rejected"], values["set_aside"], values["symbols"]) == (1, 1, 1, 1)
    assert (values["connected"], values["alerts"], values["active_symbols"]) == (1, 3, 1)
    assert values["redis_memory_bytes"] > 100_000
    info = redis.execute_command("TS.INFO", keys.stat("symbols"))
    assert info[info.index(b"retentionTime") + 1] == 7 * 86_400_000


def test_breadth_counts_up_down_and_flat(redis: Redis, redis_url: str) -> None:
    first = [second_bar(s, T, c) for s, c in (("A", 100.0), ("B", 100.0), ("C", 100.0), ("D", 100.0))]
    second = [second_bar("D", T + 1_000, 99.0)]
    path = market(redis_url, first, second, closes={"A": 99.0, "B": 100.0, "D": 100.0})
    told = Reporter(path.client, path.pipeline, dict).statistics()
    assert (told["advancing"], told["declining"], told["unchanged"]) == (1, 1, 1)


def test_lag_is_between_the_end_of_the_bar_and_now(redis: Redis, redis_url: str) -> None:
    path = feed(redis_url, [[second_bar("F", T)]], now_ms=lambda: T + 3_500)
    assert Reporter(path.client, path.pipeline, dict).statistics()["lag_ms"] == 2_500


def test_the_snapshot_and_the_metrics_reach_redis(redis: Redis, redis_url: str) -> None:
    report_once(redis_url, redis, [second_bar("F", T, 100.0, 7)])
    snapshot = json.loads(redis.get(keys.MOVERS) or b"")
    assert set(snapshot) == {"t", "velocity", "velocity_down", "change", "change_down", "volume"}
    assert snapshot["volume"][0]["symbol"] == "F"
    text = render(redis).decode()
    assert 'tapewatch_symbols{process="ingest"} 1.0' in text
    assert 'tapewatch_restated_total{process="ingest"} 0.0' in text
    assert 0 < redis.ttl(keys.metrics("ingest")) <= 15


def test_rates_are_those_of_the_last_interval(redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    path = feed(redis_url, [])
    reporter = Reporter(path.client, path.pipeline, dict)
    for seconds, bars in ((2.0, 50), (1.0, 10), (1.0, 0)):
        now[0] += seconds
        path.pipeline.counts.bars += bars
        reporter._measure()
        assert reporter.statistics()["bars_per_second"] == bars / seconds
