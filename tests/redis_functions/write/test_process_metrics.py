"""Metrics of several processes through a real Redis, parsed back by Prometheus's own parser."""

from __future__ import annotations

import asyncio
import logging

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.process_metrics import EXPIRE_S
from redis_functions.read.process_metrics import alive, merge, render
from redis_functions.server.connection import connect_async
from redis_functions.write.process_metrics import publish, publish_async


def registry(bars: int, *, up: str = "tapewatch_up") -> CollectorRegistry:
    made = CollectorRegistry()
    counter = Counter("tapewatch_bars", 'Bars written, by "kind" \\ source', ["kind"], registry=made)
    counter.labels(kind='a "quoted"\nname').inc(bars)
    Gauge(up, "Whether it is up", registry=made).set(1)
    return made


def parsed(text: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (s.name, tuple(sorted(s.labels.items()))): s.value
        for family in text_string_to_metric_families(text.decode())
        for s in family.samples
    }


def test_all_processes_in_one_text(redis: Redis, redis_url: str) -> None:
    publish(redis, "ingest", registry(7))

    async def other() -> None:
        async with connect_async(redis_url) as client:
            await publish_async(client, "alerts", registry(5, up="tapewatch_rules"))

    asyncio.run(other())
    latency = Histogram("tapewatch_request_seconds", "Time", registry=(own := registry(1)), buckets=(0.1, 1))
    latency.observe(0.5)
    text = render(redis, {"bridge": own})
    samples = parsed(text)
    kind = ("kind", 'a "quoted"\nname')
    assert samples[("tapewatch_bars_total", (kind, ("process", "ingest")))] == 7
    assert samples[("tapewatch_bars_total", (kind, ("process", "alerts")))] == 5
    assert samples[("tapewatch_bars_total", (kind, ("process", "bridge")))] == 1
    assert samples[("tapewatch_rules", (("process", "alerts"),))] == 1
    assert samples[("tapewatch_request_seconds_bucket", (("le", "1.0"), ("process", "bridge")))] == 1
    lines = text.decode().splitlines()
    heads = [line.split()[2] for line in lines if line.startswith("# TYPE ")]
    assert len(heads) == len(set(heads))
    assert "tapewatch_bars_total" in heads
    assert sum(line.startswith("# HELP tapewatch_bars_total ") for line in lines) == 1


def test_every_sample_names_its_process(redis: Redis) -> None:
    publish(redis, "ingest", registry(1))
    publish(redis, "bridge", registry(1))
    names = [dict(labels)["process"] for _, labels in parsed(render(redis))]
    assert set(names) == {"ingest", "bridge"}


def test_it_is_a_heartbeat(redis: Redis) -> None:
    assert not alive(redis, "ingest")
    assert parsed(render(redis)) == {}
    publish(redis, "ingest", registry(1))
    assert alive(redis, "ingest")
    assert 0 < redis.pttl(keys.metrics("ingest")) <= EXPIRE_S * 1000


def test_an_unknown_process_is_refused(redis: Redis) -> None:
    with pytest.raises(ValueError, match="not one of the processes ingest"):
        publish(redis, "ingset", registry(1))


def test_what_cannot_be_parsed_is_left_out(caplog: pytest.LogCaptureFixture) -> None:
    good = b"# HELP a A\n# TYPE a gauge\na 1.0\n"
    with caplog.at_level(logging.WARNING):
        samples = parsed(merge({"ingest": good, "push": b'a{b="c 1\n', "bridge": b"# TYPE a counter\na_total 3.0\n"}))
    assert samples == {("a_total", (("process", "bridge"),)): 3.0}
    assert [r.message.split()[0:4] for r in caplog.records] == [
        ["metric", "a", "of", "ingest"],
        ["the", "metrics", "of", "push"],
    ]
