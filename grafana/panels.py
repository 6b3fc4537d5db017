"""The kinds of panels as Grafana's panel JSON. The layout adds ids and positions.

What was seen to go wrong in a Grafana is right here by default: the order of columns, lines that break where data is missing,
the colour of null, the number of values in a stat.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from grafana.query import DATASOURCE, Json

_TOOLTIP: Json = {"mode": "multi", "sort": "none"}
#: What the candlestick panel calls its fields.
CANDLE = ("open", "high", "low", "close")
#: More values in one stat are too small to read at 1366 x 768.
MAX_VALUES = 4
#: Silence of second bars that breaks a line, ms: above it Grafana puts in nulls, below it bridges those that the seconds of
#: other symbols leave.
HOLE_MS = 20_000


def _panel(
    kind: str,
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    overrides: Sequence[Json],
    options: Json,
    transformations: Sequence[Json] = (),
) -> Json:
    """`transformations`: by default the columns in the order of the query, since Infinity gives them sorted by name. Time has
    to come first: Grafana leaves out the palette's first colour for field 0 and would give two series one colour."""
    return {
        "type": kind,
        "title": title,
        "description": description,
        "datasource": DATASOURCE,
        "targets": list(targets),
        "fieldConfig": {"defaults": defaults, "overrides": list(overrides)},
        "options": options,
        "transformations": list(transformations) or [order(*(column["text"] for column in targets[0]["columns"]))],
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


def magnitude(name: str, result: str) -> Json:
    """The distance of the field `name` from zero, as a further field `result`."""
    return {
        "id": "calculateField",
        "options": {"mode": "unary", "unary": {"operator": "abs", "fieldName": name}, "alias": result},
    }


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
    """The newest value of each field, large, at most four; `graph` adds its history, `change` its change over the range shown.

    Raises ValueError with more of them.
    """
    numbers = [column for target in targets for column in target["columns"] if column["type"] == "number"]
    if len(numbers) > MAX_VALUES:
        raise ValueError(f"stat {title!r} has {len(numbers)} values, at most {MAX_VALUES} can be read: make it two")
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
    """How a series is drawn, for `defaults(custom=…)`: thin lines without points that break at nulls by default.

    A sample that is missing is no null: the bridge puts rows of nulls in where a query asks for `breaks`. Bars of seconds,
    whose step does not grow with the range, need `seconds_lines`.
    """
    return {
        "drawStyle": "line",
        "lineWidth": 1,
        "fillOpacity": 0,
        "showPoints": "never",
        "spanNulls": False,
        "axisPlacement": "auto",
        **custom,
    }


def seconds_lines(**custom: Any) -> Json:
    """`lines` of second bars: they break where a symbol has none for 20 s, of several symbols too."""
    return lines(insertNulls=HOLE_MS, spanNulls=HOLE_MS, **custom)


def timeseries(
    title: str,
    description: str,
    targets: Sequence[Json],
    defaults: Json,
    *,
    overrides: Sequence[Json] = (),
    transformations: Sequence[Json] = (),
    calcs: Sequence[str] = (),
    legend_at: Literal["bottom", "right"] = "bottom",
) -> Json:
    """Lines over time; with `calcs` the legend is a table of them."""
    legend: Json = {
        "showLegend": True,
        "displayMode": "table" if calcs else "list",
        "placement": legend_at,
        "calcs": list(calcs),
    }
    options: Json = {"legend": legend, "tooltip": _TOOLTIP}
    return _panel("timeseries", title, description, targets, defaults, overrides, options, transformations)


def candlestick(
    title: str, description: str, targets: Sequence[Json], defaults: Json, *, overrides: Sequence[Json] = ()
) -> Json:
    """Candles of the fields open, high, low and close; every other number is an overlay. Volume has a panel of its own: in
    one panel its bars cover the candles after a spike."""
    options: Json = {
        "mode": "candles",
        "candleStyle": "candles",
        "colorStrategy": "open-close",
        "colors": {"up": "green", "down": "red", "flat": "gray"},
        "fields": {name: name for name in CANDLE},
        "includeAllFields": True,
        "legend": {"showLegend": True, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": _TOOLTIP,
    }
    return _panel("candlestick", title, description, targets, defaults, overrides, options)


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


def tiles(title: str, description: str, targets: Sequence[Json], defaults: Json) -> Json:
    """One coloured tile per row with the row's text and number: a heat map of now."""
    options: Json = {
        "reduceOptions": {"values": True, "calcs": ["lastNotNull"], "fields": ""},
        "colorMode": "background",
        "graphMode": "none",
        "textMode": "value_and_name",
        "justifyMode": "center",
        "orientation": "auto",
        "wideLayout": False,
        "showPercentChange": False,
    }
    return _panel("stat", title, description, targets, defaults, (), options)


def heat_map(title: str, description: str, targets: Sequence[Json], defaults: Json) -> Json:
    """One line of coloured cells per series over time."""
    options: Json = {
        "showValue": "never",
        "rowHeight": 0.9,
        "colWidth": 0.95,
        "legend": {"showLegend": False, "displayMode": "list", "placement": "bottom", "calcs": []},
        "tooltip": {"mode": "single", "sort": "none"},
    }
    return _panel("status-history", title, description, targets, defaults, (), options)


def last_hour(panel: Json) -> Json:
    """The panel with a range of its own: the last hour, whatever the dashboard shows."""
    return {**panel, "timeFrom": "1h", "hideTimeOverride": True}
