"""Publishes a process's Prometheus metrics in Redis, where the bridge reads those of all processes."""

from __future__ import annotations

import platform
from importlib.metadata import version

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.metrics_core import InfoMetricFamily
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from redis_functions.contract.process_metrics import EXPIRE_S, Families, key_of
from redis_functions.contract.statistics import METRICS, PREFIX


def process_registry() -> CollectorRegistry:
    """A registry with what every process exports: `tapewatch_build_info`, its CPU time, memory and open files."""
    registry = CollectorRegistry()
    ProcessCollector(registry=registry)
    labels = {"version": version("tapewatch"), "python": platform.python_version()}
    family = InfoMetricFamily(f"{PREFIX}build", METRICS["build_info"].help, labels)
    registry.register(Families([family]))
    return registry


def publish(client: Redis, process: str, registry: CollectorRegistry) -> None:
    """Stores the process's metrics (one of PROCESSES) for EXPIRE_S; call it every RENEW_S. Raises RedisError."""
    client.set(key_of(process), generate_latest(registry), ex=EXPIRE_S)


async def publish_async(client: AsyncRedis, process: str, registry: CollectorRegistry) -> None:
    """The same for asyncio."""
    await client.set(key_of(process), generate_latest(registry), ex=EXPIRE_S)


async def withdraw(client: AsyncRedis, process: str) -> None:
    """The process ends: it has no metrics and no heartbeat any more. Raises RedisError."""
    await client.delete(key_of(process))
