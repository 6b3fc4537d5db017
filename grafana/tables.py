"""Panels that more than one dashboard shows: movers, alerts, and the statistics of the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from grafana import fields, panels
from grafana.query import RANGE, Json, number, query, string, time
from redis_functions.contract.statistics import check_names

#: Rows of a table of movers, and the height at which all of them are in sight: 36 px for each and the head.
MOVERS = 6
MOVERS_HEIGHT = 8

#: What one panel of each dashboard says while the bridge does not answer.
BRIDGE_DOWN = "bridge is down"

_MOVER_COLUMNS = ("Symbol", "Last", "Last hour", "Now", "Size")


def stats(names: Mapping[str, str]) -> Json:
    """The newest value of statistics: name -> label. Raises ValueError for a name that is not in the table of statistics."""
    check_names(dict.fromkeys(names, 0.0))
    return query("/stats", [number(name, text) for name, text in names.items()])


def stats_series(names: Mapping[str, str]) -> Json:
    """The same statistics over time."""
    check_names(dict.fromkeys(names, 0.0))
    columns = [time(), *(number(name, text) for name, text in names.items())]
    return query(
        "/stats/series", columns, {"names": ",".join(names), **RANGE, "points": "300", "breaks": "1"}, fmt="timeseries"
    )


def alert_summary(names: Mapping[str, str], **which: str) -> Json:
    """Counts of alerts in the range: 0, not empty, when there were none."""
    return query("/alerts/summary", [number(name, text) for name, text in names.items()], {**which, **RANGE})


def feed() -> Json:
    """Whether the feed is connected, and the one place of a dashboard that says that the bridge does not answer."""
    return panels.stat(
        "Feed",
        "Whether the feed is connected; other panels are empty while the bridge does not answer.",
        [stats({"connected": "Feed"})],
        fields.defaults("none", steps=((None, "red"), (1, "green")), mappings=(), noValue=BRIDGE_DOWN),
        # Of the field alone, so that no field at all, which is no answer, has the words above.
        overrides=[fields.override("Feed", mappings=fields.CONNECTION)],
    )


def movers(
    title: str, description: str, by: Literal["change", "velocity"], order: Literal["desc", "asc"], full: float
) -> Json:
    """The top movers with their last hour as a sparkline and a gauge of the distance from zero, full at `full` percent.

    Rows and sparklines are two queries, joined on the symbol. Names are given before the join, because the join labels
    a field with its query and would show it as "last A". The gauge is of the magnitude: one of a negative range would fill
    backwards.
    """
    which = {"by": by, "order": order, "limit": str(MOVERS)}
    rows = query("/movers", [string("symbol"), number("last"), number(by)], which)
    sparklines = query(
        "/movers/candles",
        [time(), string("symbol"), number("c", "close")],
        {**which, "timeframe": "1m", **RANGE},
        ref="B",
        fmt="timeseries",
    )
    steps = fields.SPIKE if by == "velocity" else fields.SIGN
    panel = panels.table(
        title,
        description,
        [rows, sparklines],
        fields.defaults("none"),
        overrides=[
            fields.symbol_column(),
            fields.override("Last", unit="currencyUSD", decimals=2, custom__width=90),
            fields.override(
                "Last hour",
                custom__cellOptions={"type": "sparkline", "hideValue": True},
                custom__width=90,
                color=fields.fixed("light-blue"),
            ),
            fields.override("Now", **fields.colored("percent", 2, steps), displayName=by.title(), custom__width=80),
            fields.override(
                "Size", **fields.gauge(fields.UP if order == "desc" else fields.DOWN, full), displayName=" "
            ),
        ],
        transformations=[
            {"id": "timeSeriesTable", "options": {"B": {"stat": "lastNotNull", "timeField": "time"}}},
            panels.rename({"symbol": "Symbol", "last": "Last", "Trend #B": "Last hour", by: "Now"}),
            {"id": "joinByField", "options": {"byField": "Symbol", "mode": "outer"}},
            panels.magnitude("Now", "Size"),
            panels.order(*_MOVER_COLUMNS),
        ],
    )
    return panels.last_hour(panel)


def alerts(title: str, description: str, columns: Sequence[str], **which: str) -> Json:
    """Alerts as a table, newest first; `columns` are those of /alerts, in display order. A time leads to the moment."""
    known = {
        "t": time("t", "Time"),
        "symbol": string("symbol", "Symbol"),
        "rule": string("rule", "Rule"),
        "severity": string("severity", "Severity"),
        "direction": string("direction", "Direction"),
        "message": string("message", "Message"),
    }
    chosen = [known[name] for name in columns]
    text = {"type": "color-text"}
    overrides = [
        fields.override(
            "Time",
            unit="dateTimeAsIsoNoDateIfToday",
            custom__width=150 if "message" in columns else 90,
            links=fields.moment_link(which.get("symbol", "${__data.fields.Symbol}")),
        ),
        fields.symbol_column(),
        fields.override("Rule", custom__width=110),
        fields.override("Severity", mappings=fields.SEVERITIES, custom__cellOptions=text, custom__width=90),
        fields.override("Direction", mappings=fields.DIRECTIONS, custom__cellOptions=text, custom__width=90),
    ]
    shown = {column["text"] for column in chosen}
    return panels.table(
        title,
        description,
        [query("/alerts", chosen, {**which, **RANGE, "limit": "100"})],
        fields.defaults("none", noValue="no alerts to show"),
        # noValue of a cell, not of an empty table.
        overrides=[
            {"matcher": {"id": "byType", "options": "string"}, "properties": [{"id": "noValue", "value": "–"}]},
            *(o for o in overrides if o["matcher"]["options"] in shown),
        ],
        newest_first="Time",
    )
