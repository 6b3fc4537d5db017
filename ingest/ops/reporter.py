"""Once a second: the movers snapshot, the statistics `ts:stats:*`, and the process's Prometheus metrics."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.pipeline import Pipeline
from redis_functions.contract import keys
from redis_functions.write.process_metrics import RENEW_S, publish_async

log = logging.getLogger("tapewatch.ingest")

#: Rows of each list of the snapshot.
TOP = 50
STATS_RETENTION_MS = 7 * 86_400_000
INTERVAL_S = 1.0
MEMORY_INTERVAL_S = 5.0

#: Statistics that only grow, since the process began; all others are values of the moment.
COUNTERS = frozenset({
    "restated", "rejected", "set_aside", "duplicates", "late_prints", "reconnects", "alerts", "minute_bars_filled",
    "bars_repaired",
    "minute_bars_differ", "frames_dropped",
})  # fmt: skip


def movers(pipeline: Pipeline) -> dict[str, Any]:
    """The snapshot: `velocity`, `change` best first, their `_down` worst first, `volume` largest first; at most TOP each.

    Only symbols that traded on the day of the clock take part.
    """
    tape = pipeline.tape
    n = len(tape.symbols)
    out: dict[str, Any] = {
        "t": tape.clock,
        "velocity": [],
        "velocity_down": [],
        "change": [],
        "change_down": [],
        "volume": [],
    }
    if not n or tape.day is None:
        return out
    today = tape.newest[:n] >= tape.day.start
    velocity = _current_velocity(pipeline, n)
    change = tape.change()
    for name, values in (("velocity", velocity), ("change", change), ("volume", tape.volume[:n])):
        usable = today & ~np.isnan(values)
        out[name] = _rows(pipeline, _best(values, usable), velocity, change)
        if name != "volume":
            out[f"{name}_down"] = _rows(pipeline, _best(-values, usable), velocity, change)
    return out


def _current_velocity(pipeline: Pipeline, n: int) -> NDArray[np.float64]:
    """Each symbol's velocity, NaN once its last bar is older than a window: a move of an hour ago is none now."""
    velocity = pipeline.detector.velocity[:n].copy()
    velocity[pipeline.tape.newest[:n] < pipeline.tape.clock - pipeline.detector.window_ms] = np.nan
    return velocity


def _best(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> list[int]:
    candidates = np.flatnonzero(usable)
    if len(candidates) > TOP:
        candidates = candidates[np.argpartition(-values[candidates], TOP)[:TOP]]
    order = candidates[np.argsort(-values[candidates], kind="stable")]
    return [int(i) for i in order]


def _rows(
    pipeline: Pipeline, idx: list[int], velocity: NDArray[np.float64], change: NDArray[np.float64]
) -> list[dict[str, Any]]:
    tape = pipeline.tape
    return [
        {
            "symbol": tape.symbols[i],
            "last": _known(tape.last[i], 4),
            "velocity": _known(velocity[i], 4),
            "change": _known(change[i], 4),
            "volume": _whole(float(tape.volume[i])),
            "t": int(tape.newest[i]),
        }
        for i in idx
    ]


def _known(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


class Reporter:
    """Writes the snapshot and the statistics; knows the rates of the last second."""

    def __init__(self, client: Redis, pipeline: Pipeline, more: Callable[[], dict[str, float]]) -> None:
        self._client = client
        self._pipeline = pipeline
        self._more = more  # statistics of the feed, the writer and the alerts
        self._last = (time.monotonic(), 0, 0)
        self._rates = (0.0, 0.0)
        self._memory: float | None = None
        self._memory_at = -math.inf
        self.registry = CollectorRegistry()
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
            "lag_ms": max(0.0, pipeline.counts.lag_ms),
            "restated": tape.counts.restated,
            "rejected": sum(tape.counts.rejected.values()),
            "set_aside": sum(n for reason, n in pipeline.set_aside.items() if reason != "other_channel"),
            "duplicates": pipeline.trade_bars.duplicates,
            "late_prints": pipeline.trade_bars.late_prints,
            "minute_bars_filled": pipeline.minute_bars.counts.filled,
            "minute_bars_differ": pipeline.minute_bars.counts.differ,
            "halted": len(pipeline.halted),
            "advancing": int((change > 0)[~flat].sum()),
            "declining": int((change < 0)[~flat].sum()),
            "unchanged": int(flat.sum()),
        }
        if self._memory is not None:
            found["redis_memory_bytes"] = self._memory
        return found | self._more()

    async def run(self) -> None:
        """Reports every second until cancelled; a Redis that is away is told about by others."""
        renewed = 0.0
        while True:
            began = time.monotonic()
            try:
                self._measure()
                await self._write()
                if began - renewed >= RENEW_S:
                    await publish_async(self._client, "ingest", self.registry)
                    renewed = began
            except RedisError as error:
                log.debug("no report: %s", error)
            await asyncio.sleep(max(0.05, INTERVAL_S - (time.monotonic() - began)))

    def _measure(self) -> None:
        now, counts = time.monotonic(), self._pipeline.counts
        then, bars, events = self._last
        if now > then:
            self._rates = ((counts.bars - bars) / (now - then), (counts.events - events) / (now - then))
        self._last = (now, counts.bars, counts.events)

    async def _write(self) -> None:
        if time.monotonic() - self._memory_at >= MEMORY_INTERVAL_S:
            self._memory = float((await self._client.info("memory"))["used_memory"])
            self._memory_at = time.monotonic()
        now = time.time_ns() // 1_000_000
        pipe = self._client.pipeline(transaction=False)
        pipe.set(keys.MOVERS, orjson.dumps(movers(self._pipeline)))
        # The stages' histogram is among the metrics itself; their p99 of the last second is for the charts.
        for name, value in (self.statistics() | self._pipeline.stages.take_p99_ms()).items():
            pipe.execute_command(
                "TS.ADD",
                keys.stat(name),
                now,
                repr(float(value)),
                "RETENTION",
                STATS_RETENTION_MS,
                "ON_DUPLICATE",
                "LAST",
            )
        await pipe.execute(raise_on_error=False)


class _Metrics(Collector):
    """The statistics as Prometheus families, read when asked; and what was decoded, by kind and by reason."""

    def __init__(self, read: Callable[[], dict[str, float]], pipeline: Pipeline) -> None:
        self._read = read
        self._pipeline = pipeline

    def collect(self) -> Iterable[Metric]:
        frames = self._pipeline.counts.frames
        yield CounterMetricFamily("tapewatch_frames", "frames decoded, since the start", value=frames)
        events = CounterMetricFamily("tapewatch_events", "events decoded, by kind, since the start", labels=["kind"])
        for kind, number in self._pipeline.counts.kinds.items():
            events.add_metric([kind], number)
        yield events
        unused = CounterMetricFamily("tapewatch_events_set_aside", "events that could not be used", labels=["reason"])
        for reason, number in self._pipeline.set_aside.items():
            unused.add_metric([reason], number)
        yield unused
        for name, value in self._read().items():
            title = name.replace("_", " ")
            if name in COUNTERS:
                yield CounterMetricFamily(f"tapewatch_{name}", f"{title}, since the start", value=value)
            else:
                yield GaugeMetricFamily(f"tapewatch_{name}", f"{title} now", value=value)
