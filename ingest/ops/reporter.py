"""Once a second: the movers snapshot, the statistics `ts:stats:*`, and this process's Prometheus metrics."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping

import numpy as np
import orjson
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.ops.movers import movers
from ingest.pipeline import Pipeline
from redis_functions.contract.process_metrics import RENEW_S
from redis_functions.contract.statistics import METRICS, PREFIX, STATISTICS, in_base_unit, metric_name
from redis_functions.server.inspection import used_memory
from redis_functions.write.process_metrics import process_registry, publish_async
from redis_functions.write.report import write_report

log = logging.getLogger("tapewatch.ingest")

INTERVAL_S = 1.0
MEMORY_INTERVAL_S = 5.0


class Reporter:
    """Writes the snapshot, the statistics and the metrics; keeps the rates of the last second."""

    def __init__(self, client: Redis, pipeline: Pipeline, more: Callable[[], dict[str, float]]) -> None:
        """`more` returns the statistics of the parts beside the pipeline: feed, spool, writer, repairs, alerts."""
        self._client = client
        self._pipeline = pipeline
        self._more = more
        self._last = (time.monotonic(), 0.0, 0)
        self._rates = (0.0, 0.0)
        self._memory: float | None = None
        self._memory_at = self._published = -math.inf
        self._refused: dict[str, RedisError] = {}  # by the last report
        self._halted: dict[str, int] | None = None  # of the last report; what an earlier run left is not known
        self.registry = process_registry()
        self.registry.register(_Metrics(self.statistics, pipeline))
        self.registry.register(pipeline.stages)

    def statistics(self) -> dict[str, float]:
        """Every statistic by name; those that are not known yet are left out."""
        pipeline, tape = self._pipeline, self._pipeline.tape
        change = tape.change()
        flat = np.abs(change) < 1e-9
        found: dict[str, float] = {
            "active_symbols": tape.active(),
            "symbols": len(tape.symbols),
            "bars_per_second": round(self._rates[0], 1),
            "events_per_second": round(self._rates[1], 1),
            "restated": tape.counts.restated,
            "rejected": sum(tape.counts.rejected.values()),
            "set_aside": sum(n for reason, n in pipeline.set_aside.items() if reason != "other_channel"),
            "duplicates": pipeline.trade_bars.duplicates,
            "late_prints": pipeline.trade_bars.late_prints,
            "unknown_conditions": pipeline.trade_bars.unknown_conditions,
            "minute_bars_filled": pipeline.minute_bars.filled,
            "minute_bars_differ": pipeline.minute_bars.differ,
            "halted": len(pipeline.halts),
            "advancing": int((change > 0)[~flat].sum()),
            "declining": int((change < 0)[~flat].sum()),
            "unchanged": int(flat.sum()),
        }
        if self._memory is not None:
            found["redis_memory_bytes"] = self._memory
        return found | self._more()

    async def report(self) -> None:
        """Reports once, to be called every INTERVAL_S. Raises redis.RedisError."""
        began = time.monotonic()
        self._measure()
        await self._write()
        if began - self._published >= RENEW_S:
            await publish_async(self._client, "ingest", self.registry)
            self._published = began

    def _measure(self) -> None:
        """The rates since the last call."""
        now, events = time.monotonic(), self._pipeline.counts.events
        bars = self._more().get("bars_stored", 0.0)
        then, bars_then, events_then = self._last
        if now > then:
            self._rates = ((bars - bars_then) / (now - then), (events - events_then) / (now - then))
        self._last = (now, bars, events)

    async def _write(self) -> None:
        if time.monotonic() - self._memory_at >= MEMORY_INTERVAL_S:
            self._memory = await used_memory(self._client)
            self._memory_at = time.monotonic()
        # The metrics have the stages as a histogram; their p99 of the last second is for the charts.
        values = self.statistics() | self._pipeline.stages.take_p99_ms()
        halted = self._pipeline.halts.since
        resumed = None if self._halted is None else self._halted.keys() - halted.keys()
        found = await write_report(
            self._client, time.time_ns() // 1_000_000, values, orjson.dumps(movers(self._pipeline)), halted, resumed
        )
        self._halted = halted
        for key in found.keys() - self._refused.keys():
            log.warning("Redis refuses to write %s, the rest is reported: %s", key, found[key])
        self._refused = found


class _Metrics(Collector):
    """The exported statistics as Prometheus families, and what was decoded by kind and by reason; read when scraped."""

    def __init__(self, read: Callable[[], dict[str, float]], pipeline: Pipeline) -> None:
        self._read = read
        self._pipeline = pipeline

    def collect(self) -> Iterable[Metric]:
        counts = self._pipeline.counts
        yield CounterMetricFamily(f"{PREFIX}frames", METRICS["frames"].help, value=counts.frames)
        yield _labelled("events", counts.kinds)
        yield _labelled("events_set_aside", self._pipeline.set_aside)
        for name, value in self._read().items():
            metric, statistic = metric_name(name), STATISTICS[name]
            if metric is not None:
                family = CounterMetricFamily if statistic.kind == "counter" else GaugeMetricFamily
                yield family(metric, statistic.help, value=in_base_unit(name, value))


def _labelled(name: str, numbers: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(PREFIX + name, METRICS[name].help, labels=METRICS[name].labels)
    for value, number in numbers.items():
        family.add_metric([value], number)
    return family
