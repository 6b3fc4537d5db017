"""The frame of a dashboard: title, variables, annotations, links, and the positions of its panels."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from grafana.query import DATASOURCE, RANGE, Json, query, string, time

#: The classic format, which Grafana 11.6 to 13 read from files.
SCHEMA_VERSION = 42
TAG = "tapewatch"
WIDTH = 24

#: (height, [(width, panel), …]): panels side by side.
Row = tuple[int, Sequence[tuple[int, Json]]]

#: The narrowest screen that is looked after: 1366 px. Of a column of it, of a character of a title, and of what stands
#: beside a title (padding, the sign of the description), in pixels.
_COLUMN_PX, _CHARACTER_PX, _BESIDE_TITLE_PX = 55, 7.2, 64
_VARIABLE = re.compile(r"\$\{(\w+)(?::\w+)?\}")

TIMEFRAMES = ("auto", "1s", "5s", "15s", "30s", "1m", "3m", "5m", "15m", "1h", "4h", "1d")

# Grafana's own annotations: they show the states of its alerts.
_GRAFANA_ANNOTATIONS: Json = {
    "builtIn": 1,
    "datasource": {"type": "grafana", "uid": "-- Grafana --"},
    "enable": True,
    "hide": True,
    "iconColor": "rgba(0, 211, 255, 1)",
    "name": "Annotations & Alerts",
    "type": "dashboard",
}


@dataclass(frozen=True)
class Section:
    """Rows under a heading, which the viewer can collapse."""

    title: str
    rows: Sequence[Row]


def title_fits(title: str, width: int, values: Mapping[str, str]) -> bool:
    """Whether a panel of so many columns shows the whole title at 1366 px; `values` are those of the variables."""
    shown = _VARIABLE.sub(lambda found: values.get(found[1], found[0]), title)
    return len(shown) * _CHARACTER_PX + _BESIDE_TITLE_PX <= width * _COLUMN_PX


def place(rows: Iterable[Row | Section], values: Mapping[str, str]) -> list[Json]:
    """The panels with ids and positions: row below row, from left to right. `values` are those of the variables when the
    dashboard opens. Raises ValueError where a title does not fit into its panel."""
    panels: list[Json] = []
    top = 0
    for one in rows:
        if isinstance(one, Section):
            heading = {"type": "row", "title": one.title, "collapsed": False, "panels": []}
            panels.append({"id": len(panels) + 1, "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1}, **heading})
            top += 1
        for height, row in one.rows if isinstance(one, Section) else [one]:
            panels += _side_by_side(row, len(panels) + 1, top, height, values)
            top += height
    return panels


def _side_by_side(
    row: Sequence[tuple[int, Json]], first_id: int, top: int, height: int, values: Mapping[str, str]
) -> list[Json]:
    panels: list[Json] = []
    left = 0
    for width, panel in row:
        if not title_fits(panel["title"], width, values):
            raise ValueError(f"title {panel['title']!r} does not fit into {width} columns at 1366 px: shorten it")
        grid = {"x": left, "y": top, "w": width, "h": height}
        panels.append({"id": first_id + len(panels), "gridPos": grid, **panel})
        left += width
    return panels


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Iterable[Row | Section],
    *,
    since: str,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
) -> Json:
    """A whole dashboard; `since` is the range it opens with, such as ``now-1h``. Times are New York's, the market's."""
    values = {v["name"]: v["current"]["text"] for v in variables if isinstance(v["current"]["text"], str)}
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "timezone": "America/New_York",
        "time": {"from": since, "to": "now"},
        "refresh": "5s",
        "timepicker": {"refresh_intervals": ["1s", "2s", "5s", "10s", "30s", "1m", "5m"]},
        # A shared crosshair: the same instant in every panel.
        "graphTooltip": 1,
        "liveNow": False,
        "weekStart": "",
        "fiscalYearStartMonth": 0,
        "templating": {"list": list(variables)},
        "annotations": {"list": [_GRAFANA_ANNOTATIONS, *annotations]},
        "links": [
            {
                "type": "dashboards",
                "title": "tapewatch",
                "tags": [TAG],
                "asDropdown": False,
                "icon": "external link",
                "includeVars": True,
                "keepTime": True,
                "targetBlank": False,
                "tooltip": "",
                "url": "",
            }
        ],
        "panels": place(rows, values),
    }


def choice(name: str, label: str, values: Sequence[str] | Mapping[str, str], chosen: str, description: str) -> Json:
    """A variable with a list of values, or of texts and values; another value may be typed. `chosen` is a text."""
    texts = values if isinstance(values, Mapping) else {value: value for value in values}
    return {
        "name": name,
        "type": "custom",
        "label": label,
        "description": description,
        "query": ",".join(text if text == value else f"{text} : {value}" for text, value in texts.items()),
        "multi": False,
        "includeAll": False,
        "allowCustomValue": True,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"text": chosen, "value": texts[chosen], "selected": True},
        "options": [{"text": t, "value": v, "selected": t == chosen} for t, v in texts.items()],
    }


def timeframe(chosen: str) -> Json:
    text = "Length of a candle; auto: the shortest of which the chart has room for all"
    return choice("timeframe", "Timeframe", TIMEFRAMES, chosen, text)


def symbols(name: str, label: str, chosen: str | Sequence[str], description: str) -> Json:
    """A variable with every symbol seen; multi-value where `chosen` is a list.

    What is chosen here and not traded is replaced by the first symbol when the dashboard opens.
    """
    columns = [string("symbol", "name"), string("symbol", "symbol")]
    return _from_bridge(name, label, chosen, description, "/symbols", columns)


def patterns(name: str, label: str, chosen: Sequence[str], description: str) -> Json:
    """A variable with the patterns that the bridge finds, by their titles."""
    columns = [string("title", "name"), string("pattern", "symbol")]
    return _from_bridge(name, label, chosen, description, "/patterns/catalog", columns)


def indicators(name: str, label: str, chosen: str, description: str) -> Json:
    """A variable with the indicators that the bridge computes, with their usual arguments."""
    columns = [string("meaning", "name"), string("example", "symbol")]
    return _from_bridge(name, label, chosen, description, "/indicators/catalog", columns)


def _from_bridge(
    name: str, label: str, chosen: str | Sequence[str], description: str, path: str, columns: Sequence[Json]
) -> Json:
    """A variable whose values are the column `symbol` of an answer, and whose texts are its column `name`."""
    multi = not isinstance(chosen, str)
    value: str | list[str] = chosen if isinstance(chosen, str) else list(chosen)
    return {
        "name": name,
        "type": "query",
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "definition": f"tapewatch {path}",
        "query": {
            "queryType": "infinity",
            "refId": "variable",
            "meta": {"textField": "name", "valueField": "symbol"},
            "infinityQuery": query(path, columns, ref="variable"),
        },
        "refresh": 1,
        "sort": 1,
        "regex": "",
        "multi": multi,
        "includeAll": False,
        "allowCustomValue": True,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"text": value, "value": value, "selected": True},
        "options": [],
    }


def _annotation(name: str, color: str, target: Json, *, on: bool = True) -> Json:
    """Marks on every chart, with a switch at the top of the dashboard."""
    return {"name": name, "enable": on, "hide": False, "iconColor": color, "datasource": DATASOURCE, "target": target}


def alert_annotations(symbol: str) -> Json:
    """Alerts as marks on every chart; `symbol` is a symbol, a comma list, or a variable that gives one."""
    columns = [time("time"), time("timeEnd", "timeEnd"), string("title"), string("text"), string("tags")]
    target = query("/annotations", columns, {"symbol": symbol, **RANGE, "limit": "500"}, ref="Anno", fmt="dataframe")
    return _annotation("Alerts", "orange", target)


def gap_annotations() -> Json:
    """Gaps of the feed as shaded regions."""
    columns = [time("from"), time("to", "timeEnd"), string("reason", "text"), string("state", "tags")]
    target = query("/gaps", columns, RANGE, ref="Anno", fmt="dataframe", root="gaps")
    return _annotation("Gaps", "red", target)


def crossing_annotations(which: Mapping[str, str], first: str, second: str) -> Json:
    """Candles at which two averages cross."""
    columns = [time(), string("title"), string("direction", "tags")]
    params = {**which, "first": first, "second": second}
    return _annotation("Crossings", "yellow", query("/crossings", columns, params, ref="Anno", fmt="dataframe"))


def pattern_annotations(name: str, color: str, which: Mapping[str, str], names: str, *, on: bool) -> Json:
    """Candles at which the named patterns are complete; the text is 100 where they point up, -100 down."""
    columns = [time(), string("title"), string("value", "text"), string("pattern", "tags")]
    target = query("/patterns", columns, {**which, "names": names, "limit": "500"}, ref="Anno", fmt="dataframe")
    return _annotation(name, color, target, on=on)
