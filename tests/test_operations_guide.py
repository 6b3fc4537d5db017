"""docs/operations.md names what exists: its log lines are in the code, its metrics, alarms and settings exist."""

from __future__ import annotations

import re

import pytest

from redis_functions.contract.statistics import sample_names
from tapewatch.settings import PREFIX, Settings
from tests.support import ROOT

GUIDE = (ROOT / "docs/operations.md").read_text()


def section(title: str) -> str:
    return GUIDE.split(f"## {title}\n")[1].split("\n## ")[0]


def first_cells(title: str) -> list[str]:
    """What is in code marks in the first column of the section's table."""
    rows = [line for line in section(title).splitlines() if line.startswith("| ") and not line.startswith("|---")]
    return [words for row in rows[1:] for words in re.findall(r"`([^`]+)`", row.split(" | ")[0])]


@pytest.mark.parametrize("title", ["Log lines", "Gaps"])
def test_its_log_lines_and_reasons_are_in_the_code(title: str) -> None:
    folders = ("ingest", "vendor", "redis_functions", "rest_bridge", "tapewatch")
    code = "".join(path.read_text() for folder in folders for path in sorted((ROOT / folder).rglob("*.py")))
    found = [words.removesuffix("…").removeprefix("; ").strip(" :") for words in first_cells(title)]
    assert len(found) > 8
    missing = []
    for words in found:
        fixed = re.split(r"CODE|: unwatched shed|: everything shed|: …", words)[0].strip(" :")
        if fixed and fixed not in code:
            missing.append(fixed)
    assert not missing


def test_its_settings_exist() -> None:
    named = set(re.findall(rf"\b{PREFIX}([A-Z0-9_]+[A-Z0-9])", GUIDE))
    assert len(named) > 6
    assert {name for name in named if not any(f.upper().startswith(name) for f in Settings.__struct_fields__)} == set()


def test_its_metrics_exist() -> None:
    named = set(re.findall(r"tapewatch_[a-z_]+", GUIDE))
    assert named
    assert named <= sample_names()


def test_its_alarms_exist() -> None:
    rules = (ROOT / "systemd/prometheus-rules.yml").read_text()
    named = set(re.findall(r"`(Tapewatch[A-Za-z]+)`", GUIDE))
    assert len(named) >= 3
    assert {name for name in named if f"alert: {name}\n" not in rules} == set()


def test_it_is_short_enough_to_be_read_at_night() -> None:
    assert len(GUIDE.splitlines()) < 200
