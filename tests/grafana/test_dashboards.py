"""The committed JSON is what the code builds, and is consistent: ids, positions, names, links, variables."""

from __future__ import annotations

import json
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

from grafana import build
from grafana.query import DATASOURCE_TYPE, DATASOURCE_UID
from tests.grafana.boards import BOARDS, Json, panels, targets

#: Grafana's ids of the units that are used.
UNITS = {
    "none",
    "short",
    "locale",
    "percent",
    "percentunit",
    "currencyUSD",
    "bytes",
    "ms",
    "dateTimeAsIsoNoDateIfToday",
}
TITLES = {"Market overview", "Symbol", "Velocity and alerts", "Moving averages", "Feed health"}

PANELS = [pytest.param(board, panel, id=f"{board}-{panel['title']}") for board, panel in panels()]
TARGETS = [pytest.param(board, target, id=f"{board}-{where}") for board, where, target, _ in targets()]
NAMES = sorted(BOARDS)


def texts(value: Any) -> list[str]:
    """Every text within."""
    if isinstance(value, str):
        return [value]
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for part in parts for text in texts(part)]


def test_the_committed_files_are_what_the_code_makes() -> None:
    assert build.differences() == []


def test_writing_removes_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "stray.json").write_text("{}")
    assert build.differences(tmp_path) == sorted([*build.DASHBOARDS, "stray.json"])
    assert {path.name for path in build.write(tmp_path)} == set(build.DASHBOARDS)
    assert build.differences(tmp_path) == []
    (tmp_path / "symbol.json").write_text("{}")
    assert build.differences(tmp_path) == ["symbol.json"]


def test_there_are_five_dashboards_with_more_than_twenty_panels() -> None:
    assert {board["title"] for board in BOARDS.values()} == TITLES
    assert len({board["uid"] for board in BOARDS.values()}) == len(BOARDS)
    assert len(PANELS) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_head(name: str) -> None:
    board = BOARDS[name]
    assert board["schemaVersion"] == 42
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])
    assert board["refresh"] == "5s"
    assert "1s" in board["timepicker"]["refresh_intervals"]
    assert board["graphTooltip"] == 1
    assert board["description"]
    # Numeric ids belong to a Grafana, and placeholders of an export are not replaced in files.
    assert "id" not in board
    assert "__inputs" not in board
    assert not [text for text in texts(board) if "${DS_" in text]


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_ids_and_places_of_their_own(name: str) -> None:
    all_panels = BOARDS[name]["panels"]
    ids = [panel["id"] for panel in all_panels]
    assert len(set(ids)) == len(ids)
    assert all(isinstance(one, int) and one > 0 for one in ids)
    for panel in all_panels:
        grid = panel["gridPos"]
        assert grid["x"] >= 0
        assert grid["w"] > 0
        assert grid["x"] + grid["w"] <= 24, panel["title"]
        assert grid["h"] >= 3 or panel["type"] == "row"
    for one, other in combinations((panel["gridPos"] for panel in all_panels), 2):
        apart_x = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        apart_y = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert apart_x or apart_y, (one, other)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_a_panel_says_what_it_shows(board: str, panel: Json) -> None:
    assert panel["title"].strip()
    assert len(panel["description"]) > 10
    assert panel["description"].endswith(".")
    assert panel["targets"]
    refs = [target["refId"] for target in panel["targets"]]
    assert len(set(refs)) == len(refs)
    defaults = panel["fieldConfig"]["defaults"]
    units = [defaults["unit"]] + [
        p["value"] for o in panel["fieldConfig"]["overrides"] for p in o["properties"] if p["id"] == "unit"
    ]
    assert set(units) <= UNITS
    steps = defaults["thresholds"]["steps"]
    assert steps[0]["value"] is None
    values = [step["value"] for step in steps[1:]]
    assert values == sorted(values)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_overrides_and_transformations_name_fields_that_exist(board: str, panel: Json) -> None:
    known = {column["text"] for target in panel["targets"] for column in target["columns"]}
    for step in panel["transformations"]:
        options = step["options"]
        if step["id"] == "timeSeriesTable":
            known |= {f"Trend #{ref}" for ref in options}
        elif step["id"] == "organize":
            assert set(options["renameByName"]) | set(options["indexByName"]) <= known
            known |= set(options["renameByName"].values())
        elif step["id"] == "joinByField":
            assert options["byField"] in known
        elif step["id"] == "calculateField":
            assert options["unary"]["fieldName"] in known
            known.add(options["alias"])
        else:
            pytest.fail(f"unknown transformation {step['id']}")
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["id"] == "byName":
            assert override["matcher"]["options"] in known


@pytest.mark.parametrize(("board", "target"), TARGETS)
def test_targets_are_typed_relative_and_visible(board: str, target: Json) -> None:
    assert target["datasource"] == {"type": DATASOURCE_TYPE, "uid": DATASOURCE_UID}
    assert target["type"] == "json"
    assert target["parser"] == "backend"
    assert target["source"] == "url"
    assert target["url"].startswith("/api/v1/")
    assert not target.get("hide")
    assert all(column["text"] and column["type"] for column in target["columns"])
    if target["format"] == "timeseries":
        assert [c["type"] for c in target["columns"]].count("timestamp_epoch") == 1


@pytest.mark.parametrize("name", NAMES)
def test_variables_that_are_used_are_defined(name: str) -> None:
    board = BOARDS[name]
    defined = {variable["name"] for variable in board["templating"]["list"]}
    used = {m for text in texts(board) for m in re.findall(r"\$\{([a-zA-Z]\w*)(?::\w+)?\}", text)}
    assert used == defined, "a variable is used and not defined, or the other way round"
    multi = {variable["name"] for variable in board["templating"]["list"] if variable["multi"]}
    for variable in multi:
        assert f"${{{variable}}}" not in json.dumps(board), "a list needs a format, else it is written {A,B}"


def test_links_lead_to_dashboards_that_exist() -> None:
    uids = {board["uid"] for board in BOARDS.values()}
    links = [m for board in BOARDS.values() for text in texts(board) for m in re.findall(r"/d/([\w-]+)", text)]
    assert links
    assert set(links) <= uids
    symbol = BOARDS["symbol"]
    assert "symbol" in {variable["name"] for variable in symbol["templating"]["list"]}
    for board in BOARDS.values():
        assert [link["tags"] for link in board["links"]] == [["tapewatch"]]
        assert board["tags"] == ["tapewatch"]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_tables_of_symbols_lead_to_the_symbol(board: str, panel: Json) -> None:
    if panel["type"] != "table":
        return
    linked = {
        o["matcher"]["options"]
        for o in panel["fieldConfig"]["overrides"]
        for p in o["properties"]
        if p["id"] == "links"
    }
    shown = {column["text"] for target in panel["targets"] for column in target["columns"]}
    assert linked == {"Symbol", "Time"} & (shown | ({"Symbol"} if "symbol" in shown else set()))


def test_candles_have_the_names_the_panel_knows() -> None:
    found = [panel for _, panel in panels() if panel["type"] == "candlestick"]
    assert len(found) == 2
    for panel in found:
        columns = {column["text"] for column in panel["targets"][0]["columns"]}
        assert set(panel["options"]["fields"].values()) == {"open", "high", "low", "close"}
        assert {"time", *panel["options"]["fields"].values()} < columns
        # Further names that the panel would take for candle fields.
        assert not columns & {"o", "h", "l", "c", "v", "volume", "min", "max"}
