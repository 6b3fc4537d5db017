"""The alerting rules for Prometheus name metrics, labels and settings that exist."""

from __future__ import annotations

import re
import shutil
import subprocess
from typing import Any

import pytest
import yaml

from redis_functions.contract.statistics import METRICS, PREFIX, sample_names
from tapewatch.settings import PREFIX as SETTING
from tapewatch.settings import Settings
from tests.support import ROOT

FILE = ROOT / "systemd/prometheus-rules.yml"
RULES: list[dict[str, Any]] = [rule for group in yaml.safe_load(FILE.read_text())["groups"] for rule in group["rules"]]
#: What the bridge adds to every sample.
PROCESS = "process"


def labels_of(sample: str) -> set[str]:
    """The labels of a sample name; those of a statistic are none but the process."""
    for name, metric in METRICS.items():
        if re.fullmatch(rf"{PREFIX}{name}(_total|_bucket|_count|_sum)?", sample):
            return {*metric.labels, PROCESS, *(("le",) if sample.endswith("_bucket") else ())}
    return {PROCESS}


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: str(rule["alert"]))
def test_a_rule_uses_what_exists_and_says_what_to_do(rule: dict[str, Any]) -> None:
    named = re.findall(rf"({PREFIX}\w+)(?:{{([^}}]*)}})?", rule["expr"])
    assert named
    for sample, chosen in named:
        assert sample in sample_names()
        assert set(re.findall(r"(\w+)\s*[!=]", chosen)) <= labels_of(sample)
    assert rule["labels"]["severity"] in ("info", "warning", "critical")
    assert rule["annotations"].keys() == {"summary", "action"}
    assert re.fullmatch(r"Tapewatch[A-Z]\w+", rule["alert"])
    if "for" in rule:
        assert re.fullmatch(r"\d+[smh]", rule["for"])


def test_counters_are_asked_for_their_increase() -> None:
    for rule in RULES:
        for counter in re.findall(rf"{PREFIX}\w+_total", rule["expr"]):
            assert re.search(rf"(increase|rate)\({counter}[{{\[]", rule["expr"]), rule["alert"]


def test_no_rule_is_there_twice() -> None:
    names = [rule["alert"] for rule in RULES]
    assert len(names) == len(set(names)) > 10


def test_its_settings_exist() -> None:
    named = set(re.findall(rf"\b{SETTING}([A-Z0-9_]+)", FILE.read_text()))
    assert named
    assert {name.lower() for name in named} <= set(Settings.__struct_fields__)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool here: apt-get install prometheus")
def test_prometheus_reads_it() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(FILE)], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
