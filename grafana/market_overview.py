"""Market overview: breadth, heat map, latest alerts, movers and volume leaders of the whole market."""

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
#: Tiles of the heat map: so many can be read at 1366 px.
_TILES = 40
#: Percent on the day at which a gauge is full.
_FULL = 5.0


def build() -> Json:
    return dashboard(
        UID,
        "Market overview",
        "Breadth, heat map, latest alerts, movers and volume leaders of everything on the tape.",
        [_now(), _heat(), _movers(), (8, [(24, _breadth_over_time())])],
        since="now-15m",
    )


def _now() -> Row:
    breadth = panels.stat(
        "Breadth",
        "Symbols above, below and at their previous close.",
        [tables.stats(_BREADTH)],
        fields.defaults("locale", decimals=0),
        overrides=_BREADTH_COLORS,
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
    )
    return 3, [(11, breadth), (9, alerts), (4, tables.feed())]


def _heat() -> Row:
    heat = panels.tiles(
        "The most traded, by change",
        f"Change from the previous close of the {_TILES} symbols with the largest volume today. Click a tile to open it.",
        [
            query(
                "/movers",
                [string("symbol", "Symbol"), number("change", "Change")],
                {"by": "volume", "limit": str(_TILES)},
            )
        ],
        fields.defaults(
            "percent",
            decimals=2,
            steps=fields.HEAT,
            mappings=[fields.null_as("–", "gray")],
            links=fields.symbol_link("${__data.fields.Symbol}"),
        ),
    )
    alerts = tables.alerts(
        "Latest alerts",
        "The newest alerts of all rules. Click a time to open it.",
        ["t", "symbol", "rule", "direction"],
    )
    return 8, [(15, heat), (9, alerts)]


def _movers() -> Row:
    text = "Change from the previous close. Click a symbol to open it."
    return tables.MOVERS_HEIGHT, [
        (8, tables.movers("Gainers", text, "change", "desc", _FULL)),
        (8, tables.movers("Losers", text, "change", "asc", _FULL)),
        (8, _leaders()),
    ]


def _leaders() -> Json:
    return panels.table(
        "Volume leaders",
        "Shares traded today, the most active symbols first.",
        [
            query(
                "/movers",
                [
                    string("symbol", "Symbol"),
                    number("last", "Last"),
                    number("change", "Change"),
                    number("volume", "Volume"),
                ],
                {"by": "volume", "limit": str(tables.MOVERS)},
            )
        ],
        fields.defaults("none"),
        overrides=[
            fields.symbol_column(),
            fields.override("Last", unit="currencyUSD", decimals=2, custom__width=90),
            fields.override("Change", **fields.colored("percent", 2, fields.SIGN), custom__width=80),
            fields.override(
                "Volume",
                unit="short",
                decimals=1,
                min=0,
                color=fields.fixed("blue"),
                custom__cellOptions={"type": "gauge", "mode": "basic", "valueDisplayMode": "text"},
            ),
        ],
    )


def _breadth_over_time() -> Json:
    return panels.timeseries(
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
        legend_at="right",
    )
