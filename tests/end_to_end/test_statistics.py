"""Everything in the table of statistics is produced by a running daemon, and a running daemon exports nothing else."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from prometheus_client.parser import text_string_to_metric_families

from redis_functions.contract.statistics import METRICS, PREFIX, STATISTICS, metric_name, sample_names
from redis_functions.read.statistics import read_newest_stats
from tests.fake_vendor import KEY, VendorThread, second_bar
from tests.own_redis import OwnRedis
from tests.support import Running

#: Nothing is set aside in the simulated market, so this one has no sample.
_NEEDS_ODD_EVENTS = {"tapewatch_events_set_aside_total"}


@pytest.fixture(scope="module")
def daemon() -> Iterator[Running]:
    with Running("run", TAPEWATCH_SIM_SYMBOLS="20", TAPEWATCH_SIM_RATE="20") as running:
        running.ready()
        yield running


def test_every_statistic_has_a_producer(daemon: Running) -> None:
    def missing() -> list[str]:
        values = daemon.get("/api/v1/stats")[1]
        return [name for name in STATISTICS if values.get(name) is None]

    daemon.wait(lambda: not missing(), 90, "a value of every statistic")
    assert set(daemon.get("/api/v1/stats")[1]) == {"t", *STATISTICS}


def test_every_metric_of_the_table_is_exported_and_no_other(daemon: Running) -> None:
    def exported() -> set[str]:
        families = text_string_to_metric_families(str(daemon.get("/metrics")[1]))
        return {sample.name for family in families for sample in family.samples if sample.name.startswith(PREFIX)}

    daemon.wait(lambda: sample_names() - _NEEDS_ODD_EVENTS <= exported(), 30, "every metric")
    assert exported() - sample_names() == set()


def test_the_exposition_is_clean(daemon: Running) -> None:
    text = str(daemon.get("/metrics")[1])
    families = {family.name: family for family in text_string_to_metric_families(text)}
    assert not [name for name in families if name.endswith("_created")]
    for name in STATISTICS:
        metric = metric_name(name)
        if metric:
            family = families[metric.removesuffix("_total")]
            assert (family.documentation, family.type) == (STATISTICS[name].help, STATISTICS[name].kind)
    for name, one in METRICS.items():
        if f"{PREFIX}{name}_total" not in _NEEDS_ODD_EVENTS:
            assert {label for sample in families[PREFIX + name].samples for label in sample.labels} >= set(one.labels)
    build = families["tapewatch_build_info"].samples
    assert {sample.labels["process"] for sample in build} == {"ingest", "bridge"}
    samples = [(s.name, tuple(sorted(s.labels.items()))) for family in families.values() for s in family.samples]
    assert len(samples) == len(set(samples))


def test_lag_and_rate_are_those_of_acknowledged_bars() -> None:
    """Redis takes no writes for a while: a bar that waits is not counted as stored, and its wait is part of the lag."""
    with OwnRedis() as store, VendorThread() as vendor:
        more = {"TAPEWATCH_REDIS_URL": store.url, "TAPEWATCH_FEED_URL": vendor.vendor.url, "MASSIVE_API_KEY": KEY}
        with Running("ingest", TAPEWATCH_ALWAYS_OPEN="true", **more) as ingest:
            ingest.wait(lambda: vendor.vendor.open, 30, "the subscription")

            def newest(name: str) -> float | None:
                return read_newest_stats(store.client)[1][name]

            vendor.send([second_bar("A", int(time.time()) * 1000 - 1000)])
            ingest.wait(lambda: newest("bars_stored") == 1, 20, "the first bar")
            store.client.execute_command("CLIENT", "PAUSE", 2_500, "WRITE")
            begun = time.time()
            vendor.send([second_bar("A", int(begun) * 1000)])
            ingest.wait(lambda: newest("bars_stored") == 2, 20, "the second bar")
            waited_ms = (time.time() - begun) * 1000
            lag_ms = newest("lag_ms")
            assert lag_ms is not None
            # The bar's second ends up to a second after it was sent.
            assert 2_500 - 1_000 <= lag_ms <= waited_ms
