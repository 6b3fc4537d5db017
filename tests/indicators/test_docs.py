"""docs/indicators.md names every indicator as the registry has it, every pattern, and the accuracy that was measured."""

from __future__ import annotations

import re

import pytest

from bench.accuracy import LIMIT
from indicators.entries import INDICATORS
from indicators.indicator import argument_text
from indicators.patterns import TITLES
from indicators.registry import example, parse_names, usage
from tests.support import ROOT

PAGE = (ROOT / "docs" / "indicators.md").read_text()


@pytest.mark.parametrize("name", INDICATORS)
def test_every_indicator_has_a_section_with_its_parameters_and_how_to_ask(name: str) -> None:
    heading = f"\n### `{usage(name)}`\n"
    assert heading in PAGE
    section = " ".join(PAGE.partition(heading)[2].partition("\n#")[0].split())
    for p in INDICATORS[name].parameters:
        low, high, default = argument_text(p.low), argument_text(p.high), argument_text(p.default)
        fraction = "" if p.whole else ", may have a fraction"
        assert f"{p.name} {low} to {high}{fraction} (usual {default})" in section
    assert "No parameters" in section or INDICATORS[name].parameters
    for output in INDICATORS[name].outputs:
        assert not output.suffix or f"`_{output.suffix}`" in section
    assert "Warm-up: " in section
    assert f"Ask: `names={example(name)}`." in section


def test_no_section_is_of_an_indicator_that_does_not_exist() -> None:
    sections = re.findall(r"^### `(.*)`$", PAGE, re.MULTILINE)
    assert sections == [usage(name) for name in INDICATORS]


def test_every_pattern_stands_there_with_its_title() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", PAGE, re.MULTILINE)
    assert rows == list(TITLES.items())


def test_the_accuracy_table_holds_every_indicator_within_the_limit() -> None:
    rows = re.findall(r"^\| (\w[^|]*) \| [^|]+ \| ([\d.e+-]+) \| ([\d,]+) \|$", PAGE, re.MULTILINE)
    measured = {name for name, _, _ in rows}
    assert {parse_names(example(name))[0].name for name in INDICATORS} < measured
    assert "61 candlestick patterns" in measured
    assert all(float(difference) <= LIMIT for _, difference, _ in rows)
    assert all(int(bars.replace(",", "")) > 30_000 for _, _, bars in rows)
