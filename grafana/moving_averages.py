"""Moving averages: a fast, a slow and an exponential average with selectable lookbacks."""

from __future__ import annotations

from grafana import fields, panels
from grafana.dashboard import alert_annotations, choice, dashboard, symbols, timeframe
from grafana.query import RANGE, Json, number, query, time

UID = "tapewatch-averages"

_LOOKBACKS = ("5", "10", "15", "20", "30", "50", "100", "150", "200")
#: Fixed names that the bridge gives the averages: Infinity does not replace variables in column selectors.
_NAMES = "fast=sma:${fast},slow=sma:${slow},ema=ema:${ema}"
_WHICH = {"symbol": "${symbol}", "timeframe": "${timeframe}", **RANGE}
_PRICE = fields.defaults(
    "currencyUSD", decimals=2, color={"mode": "palette-classic"}, custom=panels.lines(spanNulls=True)
)
_LOOKS = [
    fields.override("close", displayName="Close", color=fields.fixed("text")),
    fields.override("fast", displayName="SMA ${fast}", color=fields.fixed("orange"), custom__lineWidth=2),
    fields.override("slow", displayName="SMA ${slow}", color=fields.fixed("purple"), custom__lineWidth=2),
    fields.override("ema", displayName="EMA ${ema}", color=fields.fixed("blue"), custom__lineWidth=2),
]


def build() -> Json:
    return dashboard(
        UID,
        "Moving averages",
        "Simple and exponential moving averages of one symbol, with selectable lookbacks.",
        [
            (4, [(24, _now())]),
            (13, [(24, _chart())]),
            (9, [(8, _difference("Fast minus slow", "fast", "slow", "Above zero the fast average leads.")),
                 (8, _difference("Close minus exponential", "close", "ema", "Distance of the price from its average.")),
                 (8, _seconds())]),
        ],
        since="now-1h",
        variables=[
            symbols("symbol", "Symbol", "AAPL", "The symbol of every panel; any symbol may be typed"),
            timeframe("15s"),
            choice("fast", "Fast (simple)", _LOOKBACKS, "10", "Candles in the fast simple average"),
            choice("slow", "Slow (simple)", _LOOKBACKS, "50", "Candles in the slow simple average"),
            choice("ema", "Exponential", _LOOKBACKS, "20", "Candles in the exponential average"),
        ],
        annotations=[alert_annotations("${symbol}")],
    )  # fmt: skip


def _query(*names: str) -> Json:
    selectors = {"close": "c"}
    columns = [time(), *(number(selectors.get(name, name), name) for name in names)]
    return query("/indicators", columns, {**_WHICH, "names": _NAMES}, fmt="timeseries")


def _now() -> Json:
    return panels.stat(
        "${symbol} now",
        "The last close and the newest value of each average.",
        [_query("close", "fast", "slow", "ema")],
        fields.defaults("currencyUSD", decimals=2, noValue="–"),
        overrides=_LOOKS,
        transformations=[panels.order("time", "close", "fast", "slow", "ema")],
        graph=True,
    )


def _chart() -> Json:
    return panels.timeseries(
        "${symbol}, ${timeframe}: close and averages",
        "The close of each candle and its averages, computed by the bridge over the candles chosen above.",
        [_query("close", "fast", "slow", "ema")],
        _PRICE,
        overrides=_LOOKS,
        calcs=["lastNotNull", "min", "max"],
    )


def _difference(title: str, left: str, right: str, description: str) -> Json:
    return panels.timeseries(
        title,
        description,
        [_query(left, right)],
        fields.defaults(
            "currencyUSD",
            decimals=3,
            steps=fields.SIGN,
            color={"mode": "thresholds"},
            custom=panels.lines(fillOpacity=25, gradientMode="scheme", axisCenteredZero=True, spanNulls=True),
            noValue="too few candles for these lookbacks",
        ),
        transformations=[
            *(_without_nulls(name) for name in (left, right)),
            {
                "id": "calculateField",
                "options": {
                    "mode": "binary",
                    "binary": {"left": left, "operator": "-", "right": right},
                    "alias": title,
                    "replaceFields": True,
                },
            },
        ],
    )


def _without_nulls(name: str) -> Json:
    """Drops candles before the average's first value: a difference would take null for 0."""
    is_null = {"fieldName": name, "config": {"id": "isNull", "options": {}}}
    return {"id": "filterByValue", "options": {"type": "exclude", "match": "any", "filters": [is_null]}}


def _seconds() -> Json:
    short = {
        "sma:5": ("sma_5", "5 bars", "red"),
        "sma:10": ("sma_10", "10 bars", "orange"),
        "sma:15": ("sma_15", "15 bars", "purple"),
    }
    panel = panels.timeseries(
        "Short averages of second bars",
        "Simple averages of the last 5, 10 and 15 second bars, over the last five minutes.",
        [
            query(
                "/indicators",
                [time(), number("c", "Close"), *(number(selector, text) for selector, text, _ in short.values())],
                {"symbol": "${symbol}", "timeframe": "1s", "names": ",".join(short), **RANGE},
                fmt="timeseries",
            )
        ],
        _PRICE,
        overrides=[
            fields.override("Close", color=fields.fixed("text")),
            *(fields.override(text, color=fields.fixed(color)) for _, text, color in short.values()),
        ],
    )
    return {**panel, "timeFrom": "5m"}
