"""The examples of docs/data-in.md are read as documented; the page and `replay --help` have one for each shape."""

from __future__ import annotations

import argparse
import json
import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from simulator.csv_shapes import KIBOT, SHAPES
from simulator.recordings import Recording, Report
from tapewatch.commands import replay
from tests.simulator.test_recordings import written
from tests.support import ROOT

PAGE = (ROOT / "docs" / "data-in.md").read_text()
#: In the section of a shape: the file's name, the options, the file, its first event.
_EXAMPLE = re.compile(
    r"^`([^`\n]+)`(?:, with `([^`]+)`)?\n\n```csv\n(.+?)```\n\n```json\n([^\n]+)\n```\n", re.MULTILINE | re.DOTALL
)


class Example(NamedTuple):
    shape: str
    name: str
    options: str | None
    rows: str
    event: str


def _example(section: str) -> Example:
    found = _EXAMPLE.search(section)
    assert found, section
    return Example(section.partition("\n")[0], *found.groups())


EXAMPLES = [_example(section) for section in PAGE.split("\n## Shapes\n")[1].split("\n## ")[0].split("\n### ")[1:]]


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(prog="tapewatch replay")
    replay.add_arguments(made)
    return made


def test_every_shape_has_an_example() -> None:
    names = [shape.name for shape in (*SHAPES, *KIBOT)]
    assert sorted(example.shape for example in EXAMPLES) == sorted([*names, "the columns given"])


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.shape)
def test_an_example_gives_the_event_below_it(tmp_path: Path, example: Example) -> None:
    path = written(tmp_path, example.name, example.rows)
    args = parser().parse_args([str(path), *shlex.split(example.options or "")])
    report = Report()
    recording = Recording(path, replay.options_of(args), report)
    bodies = [event.body for piece in recording.pieces() for event in piece.events]
    assert recording.table is not None
    assert recording.table[0].shape.name == example.shape
    assert bodies[0] == json.loads(example.event)
    heads = len(recording.table[0].heads)
    assert (len(bodies), report.unread) == (len(example.rows.splitlines()) - heads, 0)


def test_help_lists_every_shape() -> None:
    text = parser().format_help()
    for shape in (*SHAPES, *KIBOT):
        assert shape.name in text
        assert shape.header in text
        assert shape.asks in text
