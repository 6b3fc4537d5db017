"""Velocity and alerts: the fastest symbols, velocity of chosen ones, alerts over time, the log of alerts."""

from __future__ import annotations

from grafana import fields, panels, tables
from grafana.dashboard import Row, alert_annotations, dashboard, symbols
from grafana.query import RANGE, Json, number, query, string, time
from grafana.symbol import velocity_defaults

UID = "tapewatch-velocity"

_CHOSEN = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN")
#: Symbols of the heat map.
_FASTEST = 20
#: Percent at which a gauge of velocity is full: the default spike threshold.
_FULL = 0.5


def build() -> Json:
    return dashboard(
        UID,
        "Velocity and alerts",
        "The fastest symbols, the velocity of chosen ones, alerts over time and the log of alerts.",
        [
            _counts(),
            _fastest(),
            (12, [(24, _heat_map())]),
            (10, [(24, _velocity())]),
            (12, [(24, _log())]),
        ],
        since="now-15m",
        variables=[symbols("symbols", "Symbols", _CHOSEN, "The symbols of the velocity chart, 50 at most")],
        annotations=[alert_annotations("${symbols:csv}")],
    )


def _counts() -> Row:
    severity = {"total": "All", "critical": "Critical", "warning": "Warning", "info": "Info"}
    by_severity = panels.stat(
        "Alerts in this range",
        "Alerts of all symbols and rules, by severity.",
        [tables.alert_summary(severity)],
        fields.defaults("locale", decimals=0),
        overrides=[
            fields.override("Critical", thresholds=fields.thresholds(fields.ZERO_IS_GOOD)),
            fields.override("Warning", thresholds=fields.thresholds(fields.ZERO_IS_QUIET)),
        ],
    )
    spikes = panels.stat(
        "Velocity spikes in this range",
        "Alerts of the built-in velocity rule, by direction.",
        [tables.alert_summary({"up": "Up", "down": "Down"}, rule="velocity")],
        fields.defaults("locale", decimals=0),
        overrides=[
            fields.override("Up", color=fields.fixed(fields.UP)),
            fields.override("Down", color=fields.fixed(fields.DOWN)),
        ],
    )
    return 3, [(12, by_severity), (8, spikes), (4, tables.feed())]


def _fastest() -> Row:
    text = "Price change within the velocity window (5 s by default) now. Click a symbol to open it."
    over_time = panels.timeseries(
        "Alerts a minute",
        "Alerts of all symbols and rules in each minute, by direction.",
        [
            query(
                "/alerts/series",
                [time(), number("up", "Up"), number("down", "Down")],
                {"step": "60", **RANGE},
                fmt="timeseries",
            )
        ],
        fields.defaults(
            "locale",
            decimals=0,
            color={"mode": "palette-classic"},
            custom=panels.lines(drawStyle="bars", fillOpacity=80, stacking={"mode": "normal", "group": "A"}),
            min=0,
        ),
        overrides=[
            fields.override("Up", color=fields.fixed(fields.UP)),
            fields.override("Down", color=fields.fixed(fields.DOWN)),
        ],
    )
    return tables.MOVERS_HEIGHT, [
        (8, tables.movers("Fastest up", text, "velocity", "desc", _FULL)),
        (8, tables.movers("Fastest down", text, "velocity", "asc", _FULL)),
        (8, over_time),
    ]


def _heat_map() -> Json:
    return panels.heat_map(
        "Velocity of the fastest",
        f"The {_FASTEST} symbols that are fastest now, up or down: in each span the velocity furthest from zero; bright from "
        "the default spike threshold of 0.5 %.",
        [
            query(
                "/movers/velocity",
                [time(), string("symbol"), number("velocity")],
                {"limit": str(_FASTEST), "points": "90", **RANGE},
                fmt="timeseries",
            )
        ],
        fields.defaults("percent", decimals=2, steps=fields.HEAT_VELOCITY, displayName="${__field.labels.symbol}"),
    )


def _velocity() -> Json:
    return panels.timeseries(
        "Velocity of the chosen symbols",
        "Price change within the velocity window. The lines at ±0.5 % are the default spike threshold.",
        [
            query(
                "/velocity",
                [time(), string("symbol"), number("velocity")],
                {"symbol": "${symbols:csv}", "labels": "1", **RANGE},
                fmt="timeseries",
            )
        ],
        velocity_defaults({"mode": "palette-classic"}, displayName="${__field.labels.symbol}"),
        calcs=["lastNotNull", "min", "max"],
        legend_at="right",
    )


def _log() -> Json:
    return tables.alerts(
        "Alert log",
        "The newest alerts of all rules. Click a time to open the symbol at that moment.",
        ["t", "symbol", "direction", "severity", "rule", "message"],
    )
