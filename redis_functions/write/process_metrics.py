"""Prometheus metrics of every process, through Redis: each process publishes its text, the bridge serves all of them.

`metrics:{process}` expires after EXPIRE_S, so that its presence is also the process's heartbeat.
"""

from __future__ import annotations

import logging
import platform
from collections.abc import Iterable, Mapping
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import InfoMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from redis_functions.contract import keys
from redis_functions.contract.statistics import METRICS, PREFIX

#: Every process that publishes; a fixed list, because a SCAN for the keys would walk the whole store.
PROCESSES = ("ingest", "bridge", "alerts", "push")
#: Lifetime of a published text, and the interval at which a process renews it; seconds.
EXPIRE_S = 15
RENEW_S = 5.0

log = logging.getLogger("tapewatch.metrics")


def process_registry() -> CollectorRegistry:
    """A registry with what every process exports: `tapewatch_build_info`, its CPU time, memory and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    labels = {"version": version("tapewatch"), "python": platform.python_version()}
    family = InfoMetricFamily(f"{PREFIX}build", METRICS["build_info"].help, labels)
    registry.register(_Families([family]))
    return registry


def publish(client: Redis, process: str, registry: CollectorRegistry) -> None:
    """Stores the process's metrics (one of PROCESSES) for EXPIRE_S; call it every RENEW_S. Raises RedisError."""
    client.set(_key(process), generate_latest(registry), ex=EXPIRE_S)


async def publish_async(client: AsyncRedis, process: str, registry: CollectorRegistry) -> None:
    """The same for asyncio."""
    await client.set(_key(process), generate_latest(registry), ex=EXPIRE_S)


async def withdraw(client: AsyncRedis, process: str) -> None:
    """The process ends: it has no metrics and no heartbeat any more. Raises RedisError."""
    await client.delete(_key(process))


def alive(client: Redis, process: str) -> bool:
    """Whether the process published within EXPIRE_S. Raises RedisError."""
    return bool(client.exists(_key(process)))


def render(client: Redis, here: Mapping[str, CollectorRegistry] | None = None) -> bytes:
    """All processes' metrics as one exposition text, each sample with the label `process`. Raises RedisError.

    `here` holds registries of the asking process, by process name: they are read directly and win over what is stored.
    """
    own = dict(here or {})
    asked = [name for name in PROCESSES if name not in own]
    # A pipeline, not MGET: the keys lie in different cluster slots.
    pipe = client.pipeline(transaction=False)
    for name in asked:
        pipe.get(_key(name))
    texts = {name: text for name, text in zip(asked, pipe.execute(), strict=True) if text}
    texts |= {name: generate_latest(registry) for name, registry in own.items()}
    return merge(texts)


def merge(texts: Mapping[str, bytes]) -> bytes:
    """One exposition text from one per process: a family that several share is described once.

    A process whose text cannot be parsed is left out, and so are its samples of a family that others publish as another
    type. The `_created` series of the client library are left out: Prometheus knows when a counter began from its resets.
    """
    families: dict[str, Metric] = {}
    for process, text in sorted(texts.items()):
        try:
            found = list(text_string_to_metric_families(text.decode()))
        except ValueError as error:
            log.warning("the metrics of %s cannot be parsed and are left out: %s", process, error)
            continue
        for family in found:
            if family.name.endswith("_created"):
                continue
            known = families.setdefault(family.name, Metric(family.name, family.documentation, family.type))
            if known.type != family.type:
                log.warning("metric %s of %s is a %s, elsewhere a %s", family.name, process, family.type, known.type)
                continue
            for sample in family.samples:
                known.add_sample(sample.name, {**sample.labels, "process": process}, sample.value)
    return generate_latest(_Families(families.values()))


def _key(process: str) -> str:
    if process not in PROCESSES:
        raise ValueError(f"{process} is not one of the processes {', '.join(PROCESSES)}")
    return keys.metrics(process)


class _Families(Collector):
    """Families that were collected already."""

    def __init__(self, families: Iterable[Metric]) -> None:
        self._families = list(families)

    def collect(self) -> Iterable[Metric]:
        return self._families
