"""The table of statistics: its metrics' names follow Prometheus' conventions, and an unknown name is refused."""

from __future__ import annotations

import re

import pytest

from redis_functions.contract.statistics import (
    METRICS,
    STATISTICS,
    check_names,
    in_base_unit,
    metric_name,
    sample_names,
)


def test_the_names_of_the_design_are_there() -> None:
    assert {"active_symbols", "bars_per_second", "lag_ms", "restated", "rejected"} <= STATISTICS.keys()


@pytest.mark.parametrize(
    ("name", "metric", "value", "exported"),
    [
        ("lag_ms", "tapewatch_lag_seconds", 250.0, 0.25),
        ("coverage", "tapewatch_coverage_ratio", 0.5, 0.5),
        ("restated", "tapewatch_restated_total", 3.0, 3.0),
        ("spool_bytes", "tapewatch_spool_bytes", 7.0, 7.0),
        ("connected", "tapewatch_connected", 1.0, 1.0),
        ("bars_per_second", None, 5.0, 5.0),
    ],
)
def test_a_metric_has_base_units(name: str, metric: str | None, value: float, exported: float) -> None:
    assert metric_name(name) == metric
    assert in_base_unit(name, value) == exported


def test_metrics_follow_the_conventions() -> None:
    for name, statistic in STATISTICS.items():
        metric = metric_name(name)
        if metric is not None:
            assert metric.endswith("_total") == (statistic.kind == "counter"), name
            assert not re.search(r"_(ms|milliseconds|kb|mb|percent|per_second)(_|$)", metric), name
    assert all(re.fullmatch(r"tapewatch_[a-z][a-z0-9_]*", name) for name in sample_names())
    assert all(re.fullmatch(r"[a-z_]+", label) for metric in METRICS.values() for label in metric.labels)


def test_no_metric_says_what_another_says() -> None:
    exported = [found for name in STATISTICS if (found := metric_name(name))]
    assert len(exported) == len(set(exported))
    assert not {name.removeprefix("tapewatch_").removesuffix("_total") for name in exported} & METRICS.keys()


def test_help_says_what_is_measured() -> None:
    for name, described in (STATISTICS | METRICS).items():
        assert len(described.help) > 10, name
        assert described.help.replace(" ", "_") != name


def test_a_name_that_is_not_in_the_table_is_refused() -> None:
    check_names({"symbols": 1.0})
    with pytest.raises(ValueError, match="bars_lost, lost; add a row"):
        check_names({"symbols": 1.0, "lost": 1.0, "bars_lost": 2.0})
