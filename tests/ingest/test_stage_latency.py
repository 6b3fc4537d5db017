"""The durations of the stages: buckets, the p99 since the last report, and all of them in a real hot path."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from ingest import stage_latency as module
from ingest.ops.reporter import Reporter
from ingest.stage_latency import BOUNDS, Stage, StageLatency
from redis_functions.contract import keys
from redis_functions.contract.statistics import STATISTICS
from redis_functions.read.process_metrics import merge
from tests.fake_vendor import second_bar
from tests.ingest.harness import running

T = 1_760_104_800_000


@given(st.lists(st.floats(0, 10), min_size=1, max_size=300))
@example([i / 60 for i in range(60)])
@example([i / 200 for i in range(200)])
def test_p99_is_one_of_the_values_and_no_more_than_a_hundredth_is_above_it(values: list[float]) -> None:
    stage = Stage()
    for value in values:
        stage.observe(value)
    p99 = stage.take_p99()
    assert p99 is not None
    assert p99 in values
    assert sum(value > p99 for value in values) <= len(values) / 100
    assert stage.take_p99() is None


def test_memory_is_bounded_while_nobody_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RECENT", 3)
    stage = Stage()
    for value in (9.0, 1.0, 1.0, 1.0):
        stage.observe(value)
    assert stage.take_p99() == 1.0
    assert sum(stage.buckets) == 4


def test_only_stages_that_were_observed_have_a_p99() -> None:
    stages = StageLatency()
    stages.decode.observe(0.0012)
    stages.total.observe(0.25)
    assert stages.take_p99_ms() == {"stage_decode_ms": 1.2, "stage_total_ms": 250.0}
    assert stages.take_p99_ms() == {}


def test_every_stage_is_a_statistic() -> None:
    names = {f"stage_{name}_ms" for name in StageLatency().by_name()}
    assert names == {name for name in STATISTICS if name.startswith("stage_")}


def test_a_histogram_in_the_exposition_also_after_all_processes_are_merged() -> None:
    stages, registry = StageLatency(), CollectorRegistry()
    for seconds in (20e-6, 50e-6, 51e-6, 6.0):
        stages.store.observe(seconds)
    registry.register(stages)
    for text in (generate_latest(registry), merge({"ingest": generate_latest(registry)})):
        (family,) = text_string_to_metric_families(text.decode())
        assert (family.name, family.type) == ("tapewatch_stage_seconds", "histogram")
        store = [s for s in family.samples if s.labels["stage"] == "store"]
        below = {float(s.labels["le"]): s.value for s in store if s.name.endswith("_bucket")}
        assert sorted(below) == [*BOUNDS, float("inf")]
        # A bound belongs to its bucket.
        assert (below[50e-6], below[100e-6], below[5.0], below[float("inf")]) == (2, 3, 3, 4)
        assert next(s.value for s in store if s.name.endswith("_count")) == 4
        assert next(s.value for s in store if s.name.endswith("_sum")) == pytest.approx(6.000121)


def test_decode_tape_and_velocity_are_observed_once_a_frame(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with running(redis_url) as path:
            stages, stored = path.pipeline.stages, Stage()
            path.writer.on_stored = stored.observe
            for i in range(3):
                await path.frame(*(second_bar(f"S{n}", T + i * 1000) for n in range(50)))
            await path.writer.flushed()
            assert sum(stored.buckets) == 3
            for stage in (stages.decode, stages.tape, stages.velocity):
                assert sum(stage.buckets) == 3
                assert 0 < stage.sum_s < 5
            reporter = Reporter(path.client, path.pipeline, dict)
            await reporter.report()
            assert redis.exists(keys.stat("stage_decode_ms"))

    asyncio.run(work())
    assert not redis.exists(keys.stat("stage_alert_ms"))
