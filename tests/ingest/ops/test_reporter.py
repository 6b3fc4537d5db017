"""The reports of every second: the movers snapshot, every statistic by its name, and the metrics."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from redis import Redis

from ingest.ops import reporter as module
from ingest.ops.reporter import Reporter
from redis_functions.contract import keys
from redis_functions.read.process_metrics import render
from tests.fake_vendor import second_bar
from tests.ingest.harness import feed, market, running

T = 1_760_104_800_000
#: Statistics that dashboards and `/stats` are made of.
NAMES = {
    "active_symbols", "bars_per_second", "events_per_second", "restated", "rejected", "duplicates", "late_prints",
    "symbols", "advancing", "declining", "unchanged", "redis_memory_bytes", "minute_bars_filled", "minute_bars_differ",
}  # fmt: skip


def newest(redis: Redis, name: str) -> float:
    return float(redis.execute_command("TS.GET", keys.stat(name))[1])


def report_once(redis_url: str, redis: Redis, *frames: list[dict[str, Any]], **options: Any) -> None:
    """One report after the frames."""

    async def work() -> None:
        async with running(redis_url, **options) as path:
            reporter = Reporter(path.client, path.pipeline, lambda: {"connected": 1.0, "alerts": 3.0})
            for frame in frames:
                await path.frame(*frame)
            await reporter.report()

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
    found = Reporter(path.client, path.pipeline, dict).statistics()
    assert (found["advancing"], found["declining"], found["unchanged"]) == (1, 1, 1)


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
    more = {"bars_stored": 0.0}
    reporter = Reporter(path.client, path.pipeline, lambda: more)
    for seconds, bars in ((2.0, 50), (1.0, 10), (1.0, 0)):
        now[0] += seconds
        more["bars_stored"] += bars
        path.pipeline.counts.bars += 1_000  # accepted, but not yet acknowledged by Redis
        reporter._measure()
        assert reporter.statistics()["bars_per_second"] == bars / seconds
