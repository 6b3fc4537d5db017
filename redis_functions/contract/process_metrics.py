"""What the processes' metrics in Redis have in common for those who publish and those who read them.

`metrics:{process}` expires after EXPIRE_S, so that its presence is also the process's heartbeat.
"""

from __future__ import annotations

from collections.abc import Iterable

from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from redis_functions.contract import keys

#: Every process that publishes; a fixed list, because a SCAN for the keys would walk the whole store.
PROCESSES = ("ingest", "bridge", "alerts", "push")
#: Lifetime of a published text, and the interval at which a process renews it; seconds.
EXPIRE_S = 15
RENEW_S = 5.0


def key_of(process: str) -> str:
    """Raises ValueError for what is none of PROCESSES."""
    if process not in PROCESSES:
        raise ValueError(f"{process} is not one of the processes {', '.join(PROCESSES)}")
    return keys.metrics(process)


class Families(Collector):
    """Families that were collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
