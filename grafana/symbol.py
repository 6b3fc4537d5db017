"""Symbol: one symbol's candles with volume, averages, velocity and alerts."""

from __future__ import annotations

from typing import Any

from grafana import fields, panels, tables
from grafana.dashboard import Row, alert_annotations, dashboard, symbols, timeframe
from grafana.query import RANGE, Json, number, query, time

UID = fields.SYMBOL_UID

_WHICH = {"symbol": "${symbol}", "timeframe": "${timeframe}", **RANGE}
#: Averages drawn over the candles: name in the API, label, colour.
_OVERLAYS = (
    ("sma:20", "sma_20", "SMA 20", "orange"),
    ("sma:50", "sma_50", "SMA 50", "purple"),
    ("ema:9", "ema_9", "EMA 9", "blue"),
)


def build() -> Json:
    return dashboard(
        UID,
        "Symbol",
        "Candles, averages, velocity and alerts of one symbol.",
        [_now(), (15, [(24, _candles())]), _below()],
        since="now-1h",
        variables=[
            symbols("symbol", "Symbol", "AAPL", "The symbol of every panel; any symbol may be typed"),
            timeframe("1m"),
        ],
        annotations=[alert_annotations("${symbol}")],
    )


def _now() -> Row:
    last = panels.stat(
        "${symbol}",
        "The last price and its change over the range shown.",
        [query("/candles", [time(), number("c", "Last")], _WHICH, fmt="timeseries")],
        fields.defaults("currencyUSD", decimals=2, color=fields.fixed("blue")),
        graph=True,
        change=True,
    )
    today = {"o": "Open", "h": "High", "l": "Low", "c": "Last", "vw": "VWAP", "v": "Volume"}
    day = panels.stat(
        "Today",
        "The running candle of the New York day: open, high, low, last, volume-weighted average price and volume.",
        [
            query(
                "/candles",
                [number(selector, text) for selector, text in today.items()],
                {"symbol": "${symbol}", "timeframe": "1d", "limit": "1"},
            )
        ],
        fields.defaults("currencyUSD", decimals=2, noValue="–"),
        overrides=[fields.override("Volume", unit="short", decimals=1)],
        transformations=[panels.order(*today.values())],
    )
    velocity = panels.stat(
        "Velocity",
        "Price change within the velocity window (5 s by default); coloured from 0.5 %, the default spike threshold.",
        [_velocity(limit="1")],
        fields.defaults("percent", decimals=2, steps=fields.SPIKE, noValue="–"),
    )
    alerts = panels.stat(
        "Alerts in this range",
        "Alerts of this symbol, all rules.",
        [tables.alert_summary({"total": "Alerts"}, symbol="${symbol}")],
        fields.defaults("locale", decimals=0, steps=fields.ZERO_IS_QUIET),
    )
    coverage = panels.stat(
        "Coverage of the day",
        "Share of the day's market minutes in which this symbol's data arrived live or was repaired.",
        [query("/gaps", [number("fraction", "Coverage")], {"symbol": "${symbol}", **RANGE}, root="coverage")],
        fields.defaults("percentunit", decimals=1, steps=fields.COVERAGE, noValue="–"),
    )
    return 4, [(5, last), (10, day), (3, velocity), (3, coverage), (3, alerts)]


def _velocity(**more: str) -> Json:
    columns = [time(), number("velocity", "Velocity")]
    return query("/velocity", columns, {"symbol": "${symbol}", **RANGE, **more}, fmt="timeseries")


def _candles() -> Json:
    columns = [
        time(),
        number("o", "open"),
        number("h", "high"),
        number("l", "low"),
        number("c", "close"),
        number("v", "volume"),
        *(number(selector, text) for _, selector, text, _ in _OVERLAYS),
    ]
    names = ",".join(name for name, *_ in _OVERLAYS)
    return panels.candlestick(
        "${symbol}, ${timeframe}",
        "Candles with volume and moving averages computed by the bridge. Marks are alerts.",
        [query("/indicators", columns, {**_WHICH, "names": names}, fmt="timeseries")],
        fields.defaults(
            "currencyUSD", decimals=2, color={"mode": "palette-classic"}, custom=panels.lines(spanNulls=True)
        ),
        overrides=[
            fields.override(text, color=fields.fixed(color), custom__lineWidth=2) for _, _, text, color in _OVERLAYS
        ],
    )


def _below() -> Row:
    velocity = panels.timeseries(
        "Velocity over time",
        "Price change within the velocity window. The lines at ±0.5 % are the default spike threshold.",
        [_velocity()],
        velocity_defaults(fields.fixed("blue")),
    )
    vwap = panels.timeseries(
        "Close and VWAP",
        "Close of each candle, and the volume-weighted average price within it.",
        [query("/candles", [time(), number("c", "Close"), number("vw", "VWAP")], _WHICH, fmt="timeseries")],
        fields.defaults(
            "currencyUSD", decimals=2, color={"mode": "palette-classic"}, custom=panels.lines(spanNulls=True)
        ),
        overrides=[
            fields.override("Close", color=fields.fixed("text")),
            fields.override("VWAP", color=fields.fixed("orange")),
        ],
        calcs=["lastNotNull", "min", "max"],
    )
    return 9, [(12, velocity), (12, vwap)]


def velocity_defaults(color: Json, **more: Any) -> Json:
    """Velocity as lines in percent, with dashed lines where spikes begin."""
    bands = ((None, fields.DOWN), (-0.5, "transparent"), (0.5, fields.UP))
    custom = panels.lines(thresholdsStyle={"mode": "dashed"}, axisCenteredZero=True)
    return fields.defaults("percent", decimals=2, steps=bands, color=color, custom=custom, **more)
