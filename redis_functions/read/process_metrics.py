"""The metrics of all processes, as the bridge serves them, and whether a process is alive."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from redis_functions.contract.process_metrics import PROCESSES, Families, key_of

log = logging.getLogger("tapewatch.metrics")


def alive(client: Redis, process: str) -> bool:
    """Whether the process published within EXPIRE_S. Raises RedisError."""
    return bool(client.exists(key_of(process)))


def render(client: Redis, here: Mapping[str, CollectorRegistry] | None = None) -> bytes:
    """All processes' metrics as one exposition text, each sample with the label `process`. Raises RedisError.

    `here` holds registries of the asking process, by process name: they are read directly and win over what is stored.
    """
    own = dict(here or {})
    asked = [name for name in PROCESSES if name not in own]
    # A pipeline, not MGET: the keys lie in different cluster slots.
    pipe = client.pipeline(transaction=False)
    for name in asked:
        pipe.get(key_of(name))
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
    return generate_latest(Families(families.values()))
