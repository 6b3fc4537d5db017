"""The kinds of panels as Grafana's panel JSON. The layout adds ids and positions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grafana.query import DATASOURCE, Json

_TOOLTIP: Json = {"mode": "multi", "sort": "none"}


def _panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    overrides: Sequence[Json],
    options: Json,
    transformations: Sequence[Json],
) -> Json:
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": list(targets),
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "transformations": list(transformations),
        # Without a minimum Grafana may ask for steps below a second.
        "interval": "1s",
    }


def order(*names: str) -> Json:
    """Fields in this order: Infinity gives them sorted by name."""
    return {
        "id": "organize",
        "options": {"indexByName": {name: i for i, name in enumerate(names)}, "excludeByName": {}, "renameByName": {}},
    }


def rename(names: Mapping[str, str]) -> Json:
    return {"id": "organize", "options": {"indexByName": {}, "excludeByName": {}, "renameByName": dict(names)}}


def stat(
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    graph: bool = False,
    change: bool = False,
) -> Json:
    """The newest value of each field, large; `graph` adds its history, `change` its change over the range shown."""
    options: Json = {
        "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
        "colorMode": "value",
        "graphMode": "area" if graph else "none",
        "textMode": "auto",
        "justifyMode": "auto",
        "orientation": "auto",
        "wideLayout": True,
        "showPercentChange": change,
        "percentChangeColorMode": "standard",
    }
    return _panel("stat", title, description, targets, defaults, overrides, options, transformations)


def lines(**custom: Any) -> Json:
    """How a series is drawn, for `defaults(custom=…)`: thin lines without points by default."""
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": 60_000,
        "axisPlacement": "auto",
        **custom,
    }


def timeseries(
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    calcs: Sequence[str] = (),
) -> Json:
    """Lines over time; with `calcs` the legend is a table of them."""
    legend: Json = {
        "showLegend": True,
        "displayMode": "table" if calcs else "list",
        "placement": "bottom",
        "calcs": list(calcs),
    }
    options: Json = {"legend": legend, "tooltip": _TOOLTIP}
    return _panel("timeseries", title, description, targets, defaults, overrides, options, transformations)


def candlestick(
    title: str, description: str, targets: Sequence[Json], defaults: Json, *, overrides: Sequence[Json] = ()
) -> Json:
    """Candles with volume from the fields open, high, low, close and volume; every other number is an overlay."""
    options: Json = {
        "mode": "candles+volume",
        "candleStyle": "candles",
        "colorStrategy": "open-close",
        "colors": {"up": "green", "down": "red", "flat": "gray"},
        "fields": {name: name for name in ("open", "high", "low", "close", "volume")},
        "includeAllFields": True,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": _TOOLTIP,
    }
    return _panel("candlestick", title, description, targets, defaults, overrides, options, ())


def table(
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    newest_first: str = "",
) -> Json:
    """A table; `newest_first` names the column by which it is sorted."""
    options: Json = {
        "showHeader": True,
        "cellHeight": "sm",
        "sortBy": [{"displayName": newest_first, "desc": True}] if newest_first else [],
    }
    # The default minimum width of columns cuts off the last one in a narrow panel.
    defaults["custom"] = {"minWidth": 60, "align": "auto", **defaults["custom"]}
    return _panel("table", title, description, targets, defaults, overrides, options, transformations)


def bars(
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
) -> Json:
    """One horizontal bar per row, labelled by the row's text column."""
    options: Json = {
        "displayMode": "gradient",
        "orientation": "horizontal",
        "valueMode": "color",
        "namePlacement": "left",
        "sizing": "auto",
        "minVizHeight": 12,
        "minVizWidth": 8,
        "showUnfilled": True,
        "reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": ""},
    }
    return _panel("bargauge", title, description, targets, defaults, (), options, ())


def last_hour(panel: Json) -> Json:
    """The panel with a range of its own: the last hour, whatever the dashboard shows."""
    return {**panel, "timeFrom": "1h", "hideTimeOverride": True}
