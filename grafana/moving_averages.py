"""Moving averages: a simple, an exponential and a weighted average over candles, and where two of them cross."""

from __future__ import annotations

from grafana import fields, panels, tables
from grafana.dashboard import alert_annotations, choice, crossing_annotations, dashboard, symbols, timeframe
from grafana.query import RANGE, Json, number, query, time
from grafana.symbol import WHICH

UID = "tapewatch-averages"

_LOOKBACKS = ("5", "10", "15", "20", "30", "50", "100", "150", "200")
#: Fixed names that the bridge gives the averages: Infinity does not replace variables in column selectors.
_NAMES = "sma=sma:${sma},ema=ema:${ema},wma=wma:${wma}"
_PAIR = {"first": "ema:${ema}", "second": "sma:${sma}"}
_COLORS = {"sma": "purple", "ema": "blue", "wma": "orange"}
_LOOKS = [
    fields.override("close", displayName="Close"),
    *(
        fields.override(name, displayName=f"{name.upper()} ${{{name}}}", color=fields.fixed(color), custom__lineWidth=2)
        for name, color in _COLORS.items()
    ),
]


def build() -> Json:
    lookback = "Candles in the average; another number may be typed"
    return dashboard(
        UID,
        "Moving averages",
        "Simple, exponential and weighted moving averages of one symbol, and where they cross.",
        [
            (3, [(20, _now()), (4, tables.feed())]),
            (14, [(24, _chart())]),
            (9, [(14, _difference()), (10, _seconds())]),
        ],
        since="now-1h",
        variables=[
            symbols("symbol", "Symbol", "AAPL", "The symbol of every panel; any symbol may be typed"),
            timeframe("auto"),
            choice("sma", "Simple", _LOOKBACKS, "50", lookback),
            choice("ema", "Exponential", _LOOKBACKS, "20", lookback),
            choice("wma", "Weighted", _LOOKBACKS, "10", lookback),
        ],
        annotations=[alert_annotations("${symbol}"), crossing_annotations(WHICH, **_PAIR)],
    )


def _now() -> Json:
    columns = [time(), number("c", "close"), *(number(name) for name in _COLORS)]
    return panels.stat(
        "${symbol} now",
        "The last close and the newest value of each average; words where there are too few candles for one.",
        [query("/indicators", columns, {**WHICH, "names": _NAMES, "limit": "1"}, fmt="timeseries")],
        fields.defaults(
            "currencyUSD", decimals=2, color=fields.fixed("text"), mappings=[fields.null_as("too few candles")]
        ),
        overrides=_LOOKS,
    )


def _chart() -> Json:
    columns = [
        number("o", "open"),
        number("h", "high"),
        number("l", "low"),
        number("c", "close"),
        *(number(name) for name in _COLORS),
    ]
    return panels.candlestick(
        "${symbol}, ${timeframe}",
        "Candles and their averages, computed by the bridge. Yellow marks: the exponential average crosses the simple one.",
        [query("/indicators", [time(), *columns], {**WHICH, "names": _NAMES, "breaks": "1"}, fmt="timeseries")],
        fields.defaults("currencyUSD", decimals=2, color={"mode": "palette-classic"}, custom=panels.lines()),
        overrides=[*_LOOKS[1:], fields.hidden_where_empty()],
    )


def _difference() -> Json:
    return panels.timeseries(
        "EMA ${ema} minus SMA ${sma}",
        "Above zero the exponential average leads; empty where there are too few candles for one of them.",
        [
            query(
                "/difference",
                [time(), number("difference", "Difference")],
                {**WHICH, **_PAIR, "breaks": "1"},
                fmt="timeseries",
            )
        ],
        fields.defaults(
            "currencyUSD",
            decimals=3,
            steps=fields.SIGN,
            color={"mode": "thresholds"},
            custom=panels.lines(fillOpacity=25, gradientMode="scheme", axisCenteredZero=True),
            noValue="too few candles",
        ),
    )


def _seconds() -> Json:
    short = {
        "sma:5": ("sma_5", "5 bars", "orange"),
        "sma:10": ("sma_10", "10 bars", "purple"),
        "sma:15": ("sma_15", "15 bars", "light-blue"),
    }
    panel = panels.timeseries(
        "Averages of second bars",
        "Simple averages of the last 5, 10 and 15 second bars, over the last five minutes.",
        [
            query(
                "/indicators",
                [time(), number("c", "Close"), *(number(selector, text) for selector, text, _ in short.values())],
                {"symbol": "${symbol}", "timeframe": "1s", "names": ",".join(short), **RANGE, "breaks": "1"},
                fmt="timeseries",
            )
        ],
        fields.defaults("currencyUSD", decimals=2, color={"mode": "palette-classic"}, custom=panels.lines()),
        overrides=[
            fields.override("Close", color=fields.fixed("text")),
            *(fields.override(text, color=fields.fixed(color)) for _, text, color in short.values()),
        ],
    )
    return {**panel, "timeFrom": "5m"}
