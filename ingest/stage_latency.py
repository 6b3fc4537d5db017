"""How long each stage of the way from the socket to the store takes: a Prometheus histogram, and the p99 of the last second.

Observed once a frame or batch, never once a bar, and from the event loop's thread only: so there are no locks, and an
observation costs 0.3 microseconds, 0.01 a bar of an ordinary frame.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable
from itertools import accumulate
from time import perf_counter

from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

#: Upper bounds of the buckets, seconds.
BOUNDS = (
    50e-6, 100e-6, 250e-6, 500e-6, 1e-3, 2.5e-3, 5e-3, 10e-3, 25e-3, 50e-3, 100e-3, 250e-3, 500e-3, 1.0, 2.5, 5.0,
)  # fmt: skip
_LABELS = (*map(str, BOUNDS), "+Inf")
#: Observations since the last look that its p99 is taken from: the newest, should nobody look for long.
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
        """Observes what began at `began` of time.perf_counter and ends now."""
        self.observe(perf_counter() - began)

    def take_p99(self) -> float | None:
        """The 99th percentile (nearest rank, seconds) of what was observed since the last call; None of nothing."""
        if not self._recent:
            return None
        ordered = sorted(self._recent)
        self._recent.clear()
        return ordered[-(-99 * len(ordered) // 100) - 1]


class StageLatency(Collector):
    """All stages, by the names of their label."""

    def __init__(self) -> None:
        #: The frame appended to the log.
        self.spool = Stage()
        #: The frame taken apart and checked.
        self.decode = Stage()
        #: A batch of bars accepted or refused, and entered as the newest of their symbols.
        self.tape = Stage()
        #: The detector's look at a batch.
        self.velocity = Stage()
        #: From the writer's queue to Redis's acknowledgement, a batch; what waits for Redis waits here.
        self.store = Stage()
        #: From a spike's being seen to its alert's being published.
        self.alert = Stage()
        #: From a frame's being received to all its bars' being stored, in whole milliseconds.
        self.total = Stage()

    def by_name(self) -> dict[str, Stage]:
        """In the order in which a bar meets them."""
        return vars(self)

    def take_p99_ms(self) -> dict[str, float]:
        """`stage_<name>_ms` of every stage that was observed since the last call."""
        found = {f"stage_{name}_ms": stage.take_p99() for name, stage in self.by_name().items()}
        return {name: round(p99 * 1000, 3) for name, p99 in found.items() if p99 is not None}

    def collect(self) -> Iterable[Metric]:
        family = HistogramMetricFamily(
            "tapewatch_stage_seconds", "duration of a stage of the way from frame to store", labels=["stage"]
        )
        for name, stage in self.by_name().items():
            buckets = list(zip(_LABELS, accumulate(stage.buckets), strict=True))
            family.add_metric([name], buckets, stage.sum_s)
        yield family
