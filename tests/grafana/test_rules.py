"""What was seen to go wrong in a real Grafana, held for every panel of every dashboard."""

from __future__ import annotations

import re
from typing import Any

import pytest

from grafana import panels as builders
from grafana.dashboard import place
from grafana.tables import BRIDGE_DOWN
from tests.grafana.boards import BOARDS, Json, panels

PANELS = [pytest.param(board, panel, id=f"{board}-{panel['title']}") for board, panel in panels()]
NEUTRAL = {"text", "gray"}
#: At 1366 px: a column of the grid, a character of a title, and what stands beside it.
COLUMN_PX, CHARACTER_PX, BESIDE_PX = 55, 7.2, 64
#: A grid unit with its gap, the gap, a panel's head, a row of a table.
UNIT_PX, GAP_PX, HEAD_PX, ROW_PX = 38, 8, 40, 36


def looks(panel: Json, name: str) -> Json:
    """What defaults and overrides together say of the field that is shown as `name`; custom keys as ``custom.key``."""
    defaults = panel["fieldConfig"]["defaults"]
    found = {**defaults, **{f"custom.{key}": value for key, value in defaults["custom"].items()}}
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"] == {"id": "byName", "options": name}:
            found |= {p["id"]: p["value"] for p in override["properties"]}
    return found


def numbers(panel: Json) -> list[str]:
    """The fields with numbers, by the names under which they are shown."""
    columns = [c["text"] for target in panel["targets"] for c in target["columns"] if c["type"] == "number"]
    for step in panel["transformations"]:
        columns = [step["options"].get("renameByName", {}).get(name, name) for name in columns]
    return [*columns, *(s["options"]["alias"] for s in panel["transformations"] if "alias" in s["options"])]


def has_palette(panel: Json) -> bool:
    return str(panel["fieldConfig"]["defaults"]["color"]["mode"]).startswith("palette")


def order(panel: Json) -> list[str]:
    """The fields as the last transformation orders them."""
    index = panel["transformations"][-1]["options"]["indexByName"]
    return sorted(index, key=index.__getitem__)


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_columns_are_in_order_and_time_is_first(board: str, panel: Json) -> None:
    names = order(panel)
    times = [c["text"] for t in panel["targets"] for c in t["columns"] if c["type"] == "timestamp_epoch"]
    if panel["type"] in ("timeseries", "candlestick", "status-history") or has_palette(panel):
        assert names[0] == times[0]
    if panel["type"] == "candlestick":
        assert names[1:5] == ["open", "high", "low", "close"]


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_lines_break_where_data_is_missing(board: str, panel: Json) -> None:
    if panel["type"] not in ("timeseries", "candlestick"):
        return
    for target in panel["targets"]:
        params = {p["key"]: p["value"] for p in target["url_options"]["params"]}
        for name in numbers(panel):
            look = looks(panel, name)
            if look["custom.drawStyle"] == "bars":
                continue
            if target["url"].endswith("/velocity"):
                # Bars of seconds: their step does not grow with the range. Nulls of other symbols' seconds are bridged.
                assert look["custom.insertNulls"] == look["custom.spanNulls"] == 20_000
            else:
                assert look["custom.spanNulls"] is False
                assert params["breaks"] == "1"


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_null_has_a_neutral_colour(board: str, panel: Json) -> None:
    for name in numbers(panel):
        nulls = [m["options"] for m in looks(panel, name)["mappings"] if m["type"] == "special"]
        assert [one["match"] for one in nulls] == ["null"], name
        assert nulls[0]["result"]["color"] in NEUTRAL


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_titles_fit(board: str, panel: Json) -> None:
    chosen = {v["name"]: v["current"]["text"] for v in BOARDS[board]["templating"]["list"]}
    title = re.sub(r"\$\{(\w+)\}", lambda found: str(chosen[found[1]]), panel["title"])
    assert len(title) * CHARACTER_PX + BESIDE_PX <= panel["gridPos"]["w"] * COLUMN_PX


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_values_of_a_stat_can_be_read(board: str, panel: Json) -> None:
    if panel["type"] != "stat" or panel["options"]["reduceOptions"]["values"]:
        return
    shown = numbers(panel)
    assert 1 <= len(shown) <= 4
    # Each value has its label in full.
    for name in shown:
        assert len(name) * CHARACTER_PX <= panel["gridPos"]["w"] * COLUMN_PX / len(shown), name


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_every_number_has_a_unit(board: str, panel: Json) -> None:
    for name in numbers(panel):
        look = looks(panel, name)
        named = any(m["type"] == "value" for m in look["mappings"])
        sparkline = look.get("custom.cellOptions", {}).get("type") == "sparkline" or name == "close"
        assert look["unit"] != "none" or named or (panel["type"] == "table" and sparkline), name


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_series_have_colours_of_their_own(board: str, panel: Json) -> None:
    if panel["type"] not in ("timeseries", "candlestick"):
        return
    candles = {"open", "high", "low", "close"} if panel["type"] == "candlestick" else set()
    series = [name for name in numbers(panel) if name not in candles]
    filled_to = {looks(panel, name).get("custom.fillBelowTo") for name in series}
    shown = [name for name in series if looks(panel, name).get("displayName", name) not in filled_to]
    colours = [looks(panel, name)["color"] for name in shown]
    fixed = [one["fixedColor"] for one in colours if one["mode"] == "fixed"]
    assert len(set(fixed)) == len(fixed), "two series have one colour"
    defaults = panel["fieldConfig"]["defaults"]
    if "thresholdsStyle" in defaults["custom"]:
        steps = {step["color"] for step in defaults["thresholds"]["steps"]}
        assert not steps & set(fixed), "a series has the colour of a threshold"
        assert not has_palette(panel) or steps <= NEUTRAL
    if candles:
        # Green and red are the candles'.
        assert not set(fixed) & {"green", "red"}


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_all_rows_asked_for_are_in_sight(board: str, panel: Json) -> None:
    params = {p["key"]: p["value"] for p in panel["targets"][0]["url_options"]["params"]}
    if panel["type"] != "table" or not panel["targets"][0]["url"].endswith("/movers"):
        return
    inside = panel["gridPos"]["h"] * UNIT_PX - GAP_PX - HEAD_PX
    assert (int(params["limit"]) + 1) * ROW_PX <= inside


@pytest.mark.parametrize(("board", "panel"), PANELS)
def test_gauges_fill_from_zero(board: str, panel: Json) -> None:
    gauges = [
        name for name in numbers(panel) if looks(panel, name).get("custom.cellOptions", {}).get("type") == "gauge"
    ]
    for name in gauges:
        look = looks(panel, name)
        assert look["min"] == 0
        # A percentage without an end is drawn to 100.
        assert look["unit"] != "percent" or 0 < look["max"] < 100
    assert panel["type"] != "bargauge", "its names are cut off: use a column of gauges in a table"


def test_the_spike_lines_are_always_in_sight() -> None:
    found = [panel for _, panel in panels() if panel["targets"][0]["url"].endswith("/api/v1/velocity")]
    assert len(found) == 2
    for panel in found:
        custom = panel["fieldConfig"]["defaults"]["custom"]
        assert (custom["axisSoftMin"], custom["axisSoftMax"]) == (-0.6, 0.6)
        assert {-0.5, 0.5} <= {step["value"] for step in panel["fieldConfig"]["defaults"]["thresholds"]["steps"]}


@pytest.mark.parametrize("name", sorted(BOARDS))
def test_times_are_new_yorks_and_a_bridge_that_is_down_says_so_once(name: str) -> None:
    board = BOARDS[name]
    assert board["timezone"] == "America/New_York"
    words: list[Any] = [
        p for p in board["panels"] if p.get("fieldConfig", {}).get("defaults", {}).get("noValue") == BRIDGE_DOWN
    ]
    assert len(words) == 1
    # Null would take the place of no answer, if it were mapped for all fields.
    assert words[0]["fieldConfig"]["defaults"]["mappings"] == []


def test_builders_refuse_what_cannot_be_read() -> None:
    column = {"selector": "x", "text": "x", "type": "number"}
    with pytest.raises(ValueError, match="at most 4 can be read"):
        builders.stat("Many", "Too many values.", [{"columns": [column] * 5}], {})
    with pytest.raises(ValueError, match="does not fit into 2 columns"):
        place([(3, [(2, {"title": "A title that is long"})])], {})
    assert place([(3, [(3, {"title": "${symbol}"})])], {"symbol": "BRK.B"})[0]["gridPos"]["w"] == 3
