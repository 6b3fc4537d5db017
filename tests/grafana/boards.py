"""The committed dashboards, and what a viewer has chosen when they open."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from grafana.build import DIST
from tests.grafana.infinity import View

Json = dict[str, Any]

#: What is switched off when a dashboard opens, switched on.
ON = {"bands": "bands=bbands:20:2"}

BOARDS: dict[str, Json] = {path.stem: json.loads(path.read_text()) for path in sorted(DIST.glob("*.json"))}

_SPAN = re.compile(r"(\d+)([smhd])")
_UNITS_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def panels() -> Iterator[tuple[str, Json]]:
    """(name of the dashboard, panel) of all that show something: headings of sections do not."""
    for name, board in BOARDS.items():
        for panel in board["panels"]:
            if panel["type"] != "row":
                yield name, panel


def targets() -> Iterator[tuple[str, str, Json, Json | None]]:
    """(dashboard, where, target, its panel): of panels, variables and annotations."""
    for name, panel in panels():
        for target in panel["targets"]:
            yield name, f"{panel['title']} {target['refId']}", target, panel
    for name, board in BOARDS.items():
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                yield name, f"variable {variable['name']}", variable["query"]["infinityQuery"], None
        for annotation in board["annotations"]["list"]:
            if "target" in annotation:
                yield name, f"annotation {annotation['name']}", annotation["target"], None


def span_ms(text: str) -> int:
    """``now-15m`` or ``15m`` in ms."""
    found = _SPAN.search(text)
    assert found, text
    return int(found[1]) * _UNITS_MS[found[2]]


def may_be_empty(field: str) -> bool:
    """Whether a column belongs to an indicator that is not the chosen one."""
    return field.startswith("study_")


def view(board: Json, now: int, panel: Json | None = None, **chosen: str | list[str]) -> View:
    """What is shown when the dashboard is opened at `now`, unless the viewer has `chosen` otherwise."""
    span = span_ms((panel or {}).get("timeFrom") or board["time"]["from"])
    variables = {v["name"]: v["current"]["value"] for v in board["templating"]["list"]}
    return View(now - span, now, variables | chosen)
