"""The frame of a dashboard: title, variables, annotations, links, and the positions of its panels."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from grafana.query import DATASOURCE, RANGE, Json, query, string, time

#: The classic format, which Grafana 11.6 to 13 read from files.
SCHEMA_VERSION = 42
TAG = "tapewatch"
WIDTH = 24

#: (height, [(width, panel), …]): panels side by side.
Row = tuple[int, Sequence[tuple[int, Json]]]

TIMEFRAMES = ("1s", "5s", "15s", "30s", "1m", "3m", "5m", "15m", "1h", "4h", "1d")

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


def place(rows: Iterable[Row]) -> list[Json]:
    """The panels with ids and positions: row below row, from left to right."""
    panels: list[Json] = []
    top = 0
    for height, row in rows:
        left = 0
        for width, panel in row:
            grid = {"x": left, "y": top, "w": width, "h": height}
            panels.append({"id": len(panels) + 1, "gridPos": grid, **panel})
            left += width
        top += height
    return panels


def dashboard(
    uid: str,
    title: str,
    description: str,
    rows: Iterable[Row],
    *,
    since: str,
    variables: Sequence[Json] = (),
    annotations: Sequence[Json] = (),
) -> Json:
    """A whole dashboard; `since` is the range it opens with, such as ``now-1h``."""
    return {
        "uid": uid,
        "title": title,
        "description": description,
        "tags": [TAG],
        "schemaVersion": SCHEMA_VERSION,
        "version": 1,
        "editable": False,
        "timezone": "browser",
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
        "panels": place(rows),
    }


def choice(name: str, label: str, values: Sequence[str], chosen: str, description: str) -> Json:
    """A variable with a fixed list of values."""
    return {
        "name": name,
        "type": "custom",
        "label": label,
        "description": description,
        "query": ",".join(values),
        "multi": False,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"text": chosen, "value": chosen, "selected": True},
        "options": [{"text": v, "value": v, "selected": v == chosen} for v in values],
    }


def timeframe(chosen: str) -> Json:
    return choice("timeframe", "Timeframe", TIMEFRAMES, chosen, "Length of a candle")


def symbols(name: str, label: str, chosen: str | Sequence[str], description: str) -> Json:
    """A variable with every symbol seen; multi-value where `chosen` is a list.

    What is chosen here and not traded is replaced by the first symbol when the dashboard opens.
    """
    multi = not isinstance(chosen, str)
    value: str | list[str] = chosen if isinstance(chosen, str) else list(chosen)
    columns = [string("symbol", "name"), string("symbol", "symbol")]
    return {
        "name": name,
        "type": "query",
        "label": label,
        "description": description,
        "datasource": DATASOURCE,
        "definition": "tapewatch symbols",
        "query": {
            "queryType": "infinity",
            "refId": "variable",
            "meta": {"textField": "name", "valueField": "symbol"},
            "infinityQuery": query("/symbols", columns, ref="variable"),
        },
        "refresh": 1,
        "sort": 1,
        "regex": "",
        "multi": multi,
        "includeAll": False,
        "hide": 0,
        "skipUrlSync": False,
        "current": {"text": value, "value": value, "selected": True},
        "options": [],
    }


def _annotation(name: str, color: str, target: Json) -> Json:
    return {"name": name, "enable": True, "hide": False, "iconColor": color, "datasource": DATASOURCE, "target": target}


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
