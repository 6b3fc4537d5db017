"""Velocity and alerts: velocity of the chosen symbols, spikes, the log of alerts."""

from __future__ import annotations

from grafana import fields, panels, tables
from grafana.dashboard import Row, alert_annotations, dashboard, symbols
from grafana.query import RANGE, Json, number, query, string, time
from grafana.symbol import velocity_defaults

UID = "tapewatch-velocity"

_CHOSEN = ("AAPL", "MSFT", "NVDA", "TSLA", "AMZN")


def build() -> Json:
    return dashboard(
        UID,
        "Velocity and alerts",
        "The velocity of chosen symbols, spikes, and the log of alerts.",
        [_counts(), _velocity(), _fastest(), _log()],
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
        transformations=[panels.order(*severity.values())],
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
        transformations=[panels.order("Up", "Down")],
    )
    total = panels.stat(
        "Alerts since the start",
        "Alerts raised since ingest was started.",
        [tables.stats({"alerts": "Alerts"})],
        fields.defaults("locale", decimals=0),
    )
    return 4, [(12, by_severity), (8, spikes), (4, total)]


def _velocity() -> Row:
    chart = panels.timeseries(
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
    )
    return 12, [(24, chart)]


def _fastest() -> Row:
    def bars(title: str, order: str, color: str) -> Json:
        return panels.bars(
            title,
            "Symbols with the largest change within the velocity window now.",
            [
                query(
                    "/movers",
                    [string("symbol", "Symbol"), number("velocity", "Velocity")],
                    {"by": "velocity", "order": order, "limit": "8"},
                )
            ],
            fields.defaults("percent", decimals=2, color=fields.fixed(color), noValue="–"),
        )

    log = panels.timeseries(
        "Alerts raised",
        "Number of alerts since ingest was started; each step is one alert.",
        [tables.stats_series({"alerts": "Alerts"})],
        fields.defaults(
            "locale",
            decimals=0,
            color=fields.fixed("orange"),
            custom=panels.lines(lineInterpolation="stepAfter", fillOpacity=10),
        ),
    )
    return 8, [
        (6, bars("Fastest up now", "desc", fields.UP)),
        (6, bars("Fastest down now", "asc", fields.DOWN)),
        (12, log),
    ]


def _log() -> Row:
    spikes = tables.alerts(
        "Velocity spikes",
        "The newest spikes. Click a symbol to open it.",
        ["t", "symbol", "direction", "magnitude"],
        "percent",
        rule="velocity",
    )
    log = tables.alerts(
        "Alert log",
        "The newest alerts of all rules, with their messages.",
        ["t", "symbol", "rule", "severity", "message"],
        "short",
    )
    return 12, [(10, spikes), (14, log)]
