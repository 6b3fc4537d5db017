"""Panels that more than one dashboard shows: movers, alerts, and the statistics of the feed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from grafana import fields, panels
from grafana.query import RANGE, Json, number, query, string, time
from redis_functions.contract.statistics import check_names

#: Rows of a table of movers.
MOVERS = 10

_MOVER_COLUMNS = ("Symbol", "Last", "Last hour", "Velocity", "Change", "Volume")


def stats(names: Mapping[str, str]) -> Json:
    """The newest value of statistics: name -> label. Raises ValueError for a name that is not in the table of statistics."""
    check_names(dict.fromkeys(names, 0.0))
    return query("/stats", [number(name, text) for name, text in names.items()])


def stats_series(names: Mapping[str, str]) -> Json:
    """The same statistics over time."""
    check_names(dict.fromkeys(names, 0.0))
    columns = [time(), *(number(name, text) for name, text in names.items())]
    return query("/stats/series", columns, {"names": ",".join(names), **RANGE, "points": "300"}, fmt="timeseries")


def alert_summary(names: Mapping[str, str], **which: str) -> Json:
    """Counts of alerts in the range: 0, not empty, when there were none."""
    return query("/alerts/summary", [number(name, text) for name, text in names.items()], {**which, **RANGE})


def movers(title: str, description: str, by: str, order: str = "desc") -> Json:
    """The top movers with their last hour as a sparkline.

    Rows and sparklines are two queries, joined on the symbol. Names are given before the join, because the join labels
    a field with its query and would show it as "last A".
    """
    which = {"by": by, "order": order, "limit": str(MOVERS)}
    rows = query(
        "/movers",
        [string("symbol"), number("last"), number("velocity"), number("change"), number("volume")],
        which,
    )
    sparklines = query(
        "/movers/candles",
        [time(), string("symbol"), number("c", "close")],
        {**which, "timeframe": "1m", **RANGE},
        ref="B",
        fmt="timeseries",
    )
    shown = {
        "symbol": "Symbol",
        "last": "Last",
        "Trend #B": "Last hour",
        "velocity": "Velocity",
        "change": "Change",
        "volume": "Volume",
    }
    panel = panels.table(
        title,
        description,
        [rows, sparklines],
        fields.defaults("none", noValue="–"),
        overrides=[
            fields.symbol_column(),
            fields.override("Last", unit="currencyUSD", decimals=2),
            fields.override(
                "Last hour",
                custom__cellOptions={"type": "sparkline", "hideValue": True},
                custom__width=120,
                color=fields.fixed("light-blue"),
            ),
            fields.override("Velocity", **fields.colored("percent", 2, fields.SPIKE)),
            fields.override("Change", **fields.colored("percent", 2, fields.SIGN)),
            fields.override("Volume", unit="short", decimals=1),
        ],
        transformations=[
            {"id": "timeSeriesTable", "options": {"B": {"stat": "lastNotNull", "timeField": "time"}}},
            panels.rename(shown),
            {"id": "joinByField", "options": {"byField": "Symbol", "mode": "outer"}},
            panels.order(*_MOVER_COLUMNS),
        ],
    )
    return panels.last_hour(panel)


def alerts(title: str, description: str, columns: Sequence[str], unit: str, **which: str) -> Json:
    """Alerts as a table, newest first; `columns` are those of /alerts, in display order."""
    known = {
        "t": time("t", "Time"),
        "symbol": string("symbol", "Symbol"),
        "rule": string("rule", "Rule"),
        "severity": string("severity", "Severity"),
        "direction": string("direction", "Direction"),
        "magnitude": number("magnitude", "Magnitude"),
        "message": string("message", "Message"),
    }
    chosen = [known[name] for name in columns]
    overrides = [
        fields.override("Time", unit="dateTimeAsIsoNoDateIfToday", custom__width=150),
        fields.symbol_column(),
        fields.override("Rule", custom__width=110),
        fields.override(
            "Severity", mappings=[fields.SEVERITIES], custom__cellOptions={"type": "color-text"}, custom__width=90
        ),
        fields.override(
            "Direction", mappings=[fields.DIRECTIONS], custom__cellOptions={"type": "color-text"}, custom__width=90
        ),
        fields.override("Magnitude", **fields.colored(unit, 2, fields.SIGN), custom__width=110),
    ]
    shown = {column["text"] for column in chosen}
    return panels.table(
        title,
        description,
        [query("/alerts", chosen, {**which, **RANGE, "limit": "100"})],
        fields.defaults("none", noValue="none in this range"),
        # noValue of a cell, not of an empty table.
        overrides=[
            {"matcher": {"id": "byType", "options": "string"}, "properties": [{"id": "noValue", "value": "–"}]},
            *(o for o in overrides if o["matcher"]["options"] in shown),
        ],
        transformations=[panels.order(*(column["text"] for column in chosen))],
        newest_first="Time",
    )
