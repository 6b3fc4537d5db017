"""Market overview: breadth, movers and volume leaders of the whole market."""

from __future__ import annotations

from grafana import fields, panels, tables
from grafana.dashboard import Row, dashboard
from grafana.query import Json, number, query, string

UID = "tapewatch-market"

_BREADTH = {"advancing": "Advancing", "declining": "Declining", "unchanged": "Unchanged"}
_BREADTH_COLORS = [
    fields.override("Advancing", color=fields.fixed(fields.UP)),
    fields.override("Declining", color=fields.fixed(fields.DOWN)),
    fields.override("Unchanged", color=fields.fixed("gray")),
]


def build() -> Json:
    return dashboard(
        UID,
        "Market overview",
        "Breadth, movers and volume leaders of everything on the tape.",
        [_now(), _velocity(), _day(), _volume(), _activity()],
        since="now-15m",
    )


def _now() -> Row:
    breadth = panels.stat(
        "Breadth",
        "Symbols above, below and at their previous close.",
        [tables.stats(_BREADTH)],
        fields.defaults("locale", decimals=0),
        overrides=_BREADTH_COLORS,
        transformations=[panels.order(*_BREADTH.values())],
    )
    trading = panels.stat(
        "Symbols",
        "Symbols with a bar in the last minute, and all symbols seen so far.",
        [tables.stats({"active_symbols": "Active", "symbols": "Seen"})],
        fields.defaults("locale", decimals=0),
        overrides=[fields.override("Active", thresholds=fields.thresholds(((None, "red"), (1, "green"))))],
        transformations=[panels.order("Active", "Seen")],
    )
    tape = panels.stat(
        "Tape",
        "Second bars that arrive each second.",
        [tables.stats({"bars_per_second": "Bars per second"})],
        fields.defaults("short", decimals=0, steps=((None, "red"), (0.1, "green"))),
    )
    alerts = panels.stat(
        "Alerts in this range",
        "Alerts of all rules, and how many of them were up and down.",
        [tables.alert_summary({"total": "All", "up": "Up", "down": "Down"})],
        fields.defaults("locale", decimals=0),
        overrides=[
            fields.override("All", thresholds=fields.thresholds(fields.ZERO_IS_QUIET)),
            fields.override("Up", color=fields.fixed(fields.UP)),
            fields.override("Down", color=fields.fixed(fields.DOWN)),
        ],
        transformations=[panels.order("All", "Up", "Down")],
    )
    return 4, [(8, breadth), (5, trading), (3, tape), (8, alerts)]


def _velocity() -> Row:
    text = "Price change within the velocity window (5 s by default), in percent. Click a symbol to open it."
    return 11, [
        (12, tables.movers("Fastest up", text, "velocity")),
        (12, tables.movers("Fastest down", text, "velocity", "asc")),
    ]


def _day() -> Row:
    text = "Change from the previous close, in percent. Click a symbol to open it."
    return 11, [
        (12, tables.movers("Gainers", text, "change")),
        (12, tables.movers("Losers", text, "change", "asc")),
    ]


def _volume() -> Row:
    leaders = panels.table(
        "Volume leaders",
        "Shares traded today, the most active symbols first.",
        [
            query(
                "/movers",
                [
                    string("symbol", "Symbol"),
                    number("volume", "Volume"),
                    number("last", "Last"),
                    number("change", "Change"),
                ],
                {"by": "volume", "limit": str(tables.MOVERS)},
            )
        ],
        fields.defaults("none", noValue="–"),
        overrides=[
            fields.symbol_column(),
            fields.override(
                "Volume",
                unit="short",
                decimals=1,
                min=0,
                color=fields.fixed("blue"),
                custom__cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
            ),
            fields.override("Last", unit="currencyUSD", decimals=2, custom__width=110),
            fields.override("Change", **fields.colored("percent", 2, fields.SIGN), custom__width=90),
        ],
        transformations=[panels.order("Symbol", "Volume", "Last", "Change")],
    )
    breadth = panels.timeseries(
        "Breadth over time",
        "Number of symbols above, below and at their previous close.",
        [tables.stats_series(_BREADTH)],
        fields.defaults(
            "locale",
            decimals=0,
            color={"mode": "palette-classic"},
            custom=panels.lines(fillOpacity=40, stacking={"mode": "normal", "group": "A"}),
            min=0,
        ),
        overrides=_BREADTH_COLORS,
        calcs=["lastNotNull"],
    )
    return 11, [(12, leaders), (12, breadth)]


def _activity() -> Row:
    active = panels.timeseries(
        "Active symbols",
        "Symbols with a bar in the last minute.",
        [tables.stats_series({"active_symbols": "Active symbols"})],
        fields.defaults("locale", decimals=0, color=fields.fixed("green"), custom=panels.lines(fillOpacity=10), min=0),
    )
    rate = panels.timeseries(
        "Bars per second",
        "Second bars that arrived in each second.",
        [tables.stats_series({"bars_per_second": "Bars per second"})],
        fields.defaults("short", color=fields.fixed("blue"), custom=panels.lines(fillOpacity=10), min=0),
    )
    return 7, [(12, active), (12, rate)]
