"""Symbol: one symbol's quote, candles with chosen indicators, volume, velocity and alerts."""

from __future__ import annotations

from typing import Any

from grafana import fields, panels, tables
from grafana.dashboard import (
    Section,
    alert_annotations,
    choice,
    dashboard,
    indicators,
    pattern_annotations,
    patterns,
    symbols,
    timeframe,
)
from grafana.query import RANGE, Json, number, query, time
from indicators.entries import INDICATORS

UID = fields.SYMBOL_UID

#: Candles that a chart has room for, which decides what `auto` is.
_POINTS = "200"
WHICH = {"symbol": "${symbol}", "timeframe": "${timeframe}", "points": _POINTS, **RANGE}

#: Choices of an average; any other may be typed, such as dema:33.
_AVERAGES = {f"{kind.upper()} {n}": f"{kind}:{n}" for kind in ("ema", "sma", "wma") for n in (9, 20, 50, 100, 200)}
#: An indicator that no panel shows stands where one is switched off: the list of names may have no empty place.
_OFF = "off=roc:1"
_BANDS = {
    "off": _OFF,
    "Bollinger 20 2": "bands=bbands:20:2",
    "Bollinger 20 1": "bands=bbands:20:1",
    "Bollinger 50 2": "bands=bbands:50:2",
    "Keltner 20 10 2": "bands=keltner:20:10:2",
    "Donchian 20": "bands=donchian:20",
}
_VWAP = {"session": "vwap=vwap", "last 20 candles": "vwap=vwap_rolling:20", "off": _OFF}
_NAMES = "one=${average1},two=${average2},${vwap},${bands}"
_CROSSES = "golden_cross,death_cross,macd_buy,macd_sell"
_PRICE = fields.defaults(
    "currencyUSD",
    decimals=2,
    color={"mode": "palette-classic"},
    custom=panels.lines(axisPlacement="right", axisWidth=80),
)
#: Columns of any indicator that is called `study`.
_STUDY = sorted({f"study{'_' if o.suffix else ''}{o.suffix}" for one in INDICATORS.values() for o in one.outputs})


def build() -> Json:
    average = "A moving average; another may be typed, such as dema:33"
    return dashboard(
        UID,
        "Symbol",
        "Quote, candles with indicators of your choice, velocity and alerts of one symbol.",
        [
            (3, _strip()),
            (13, [(24, _candles())]),
            (5, [(24, _volume())]),
            (8, [(14, _velocity()), (10, _alerts())]),
            Section("MACD", [(7, [(24, _macd())])]),
            Section("RSI", [(7, [(24, _rsi())])]),
            Section("Any indicator", [(7, [(24, _study())])]),
        ],
        since="now-1h",
        variables=[
            symbols("symbol", "Symbol", "AAPL", "The symbol of every panel; any symbol may be typed"),
            timeframe("auto"),
            choice("average1", "Average", _AVERAGES, "EMA 9", average),
            choice("average2", "Average", _AVERAGES, "SMA 20", average),
            choice(
                "vwap", "VWAP", _VWAP, "session", "Volume-weighted average price, since the session began or rolling"
            ),
            choice("bands", "Bands", _BANDS, "off", "Bands around the price; others may be typed: bands=bbands:30:2.5"),
            patterns("patterns", "Patterns", ["CDLENGULFING", "CDLHAMMER"], "What the switch Patterns marks"),
            indicators("study", "Indicator", "atr:14", "What the panel at the bottom shows"),
        ],
        annotations=[
            alert_annotations("${symbol}"),
            pattern_annotations("Crosses", "yellow", WHICH, _CROSSES, on=True),
            pattern_annotations("Patterns", "super-light-purple", WHICH, "${patterns:csv}", on=False),
        ],
    )


def _strip() -> list[tuple[int, Json]]:
    def quote(title: str, description: str, columns: dict[str, str], unit: str, *overrides: Json, **look: Any) -> Json:
        asked = query("/quote", [number(name, text) for name, text in columns.items()], {"symbol": "${symbol}"})
        return panels.stat(title, description, [asked], fields.defaults(unit, decimals=2, **look), overrides=overrides)

    sign = {"thresholds": fields.thresholds(fields.SIGN)}
    price = quote(
        "${symbol}",
        "The last price, and its change against the previous close in money and percent.",
        {"last": "Last", "change_money": "Change", "change": "Change %"},
        "currencyUSD",
        fields.override("Change", **sign),
        fields.override("Change %", **sign, unit="percent"),
    )
    day = quote(
        "Day",
        "Lowest and highest price, volume, and volume-weighted average price of the New York day.",
        {"low": "Low", "high": "High", "vwap": "VWAP", "volume": "Volume"},
        "currencyUSD",
        fields.override("Volume", unit="short", decimals=1),
    )
    velocity = quote(
        "Velocity",
        "Price change within the velocity window (5 s by default); coloured from 0.5 %, the default spike threshold.",
        {"velocity": "Velocity"},
        "percent",
        steps=fields.SPIKE,
    )
    coverage = panels.stat(
        "Coverage",
        "Share of the day's market minutes in which this symbol's data arrived live or was repaired.",
        [query("/gaps", [number("fraction", "Coverage")], {"symbol": "${symbol}", **RANGE}, root="coverage")],
        fields.defaults("percentunit", decimals=1, steps=fields.COVERAGE),
    )
    return [(7, price), (8, day), (3, velocity), (3, coverage), (3, tables.feed())]


def _indicators(columns: list[Json], names: str, **more: str) -> Json:
    return query("/indicators", [time(), *columns], {**WHICH, "names": names, "breaks": "1", **more}, fmt="timeseries")


def _candles() -> Json:
    columns = [
        number("o", "open"),
        number("h", "high"),
        number("l", "low"),
        number("c", "close"),
        *(number(name) for name in ("one", "two", "vwap", "bands_upper", "bands_middle", "bands_lower")),
        number("previous_close", "Previous close"),
    ]

    def line(name: str, shown: str, color: str, **more: Any) -> Json:
        return fields.override(name, displayName=shown, color=fields.fixed(color), **more)

    band = {"custom__fillOpacity": 8, "custom__fillBelowTo": "Lower band"}
    return panels.candlestick(
        "${symbol}, ${timeframe}",
        "Candles with the averages, bands and VWAP chosen above, and a dashed line at the previous close. Marks are alerts, "
        "crosses and patterns, each with a switch at the top.",
        [_indicators(columns, _NAMES, previous_close="1")],
        _PRICE,
        overrides=[
            line("one", "${average1:text}", "orange", custom__lineWidth=2),
            line("two", "${average2:text}", "purple", custom__lineWidth=2),
            line("vwap", "VWAP", "blue", custom__lineWidth=2),
            line("bands_upper", "Upper band", "light-blue", **band),
            line("bands_middle", "Middle band", "super-light-blue"),
            line("bands_lower", "Lower band", "light-blue"),
            fields.override(
                "Previous close", color=fields.fixed("text"), custom__lineStyle={"fill": "dash", "dash": [10, 10]}
            ),
            fields.hidden_where_empty(),
        ],
    )


def _volume() -> Json:
    return panels.timeseries(
        "Volume",
        "Shares traded in each candle.",
        [_indicators([number("v", "Volume")], _NAMES, previous_close="1")],
        fields.defaults(
            "short",
            color=fields.fixed("light-blue"),
            custom=panels.lines(drawStyle="bars", fillOpacity=60, axisPlacement="right", axisWidth=80),
            min=0,
        ),
    )


def _velocity() -> Json:
    columns = [time(), number("velocity", "Velocity")]
    return panels.timeseries(
        "Velocity",
        "Price change within the velocity window. The lines at ±0.5 % are the default spike threshold.",
        [query("/velocity", columns, {"symbol": "${symbol}", **RANGE}, fmt="timeseries")],
        velocity_defaults(fields.fixed("blue")),
    )


def velocity_defaults(color: Json, **more: Any) -> Json:
    """Velocity as lines in percent, with dashed lines, always in sight, where spikes begin."""
    custom = panels.seconds_lines(
        thresholdsStyle={"mode": "dashed"}, axisCenteredZero=True, axisSoftMin=-0.6, axisSoftMax=0.6
    )
    return fields.defaults("percent", decimals=2, steps=fields.SPIKE_LINES, color=color, custom=custom, **more)


def _alerts() -> Json:
    text = "The newest alerts of this symbol, all rules. Click a time to open it."
    return tables.alerts("Alerts", text, ["t", "rule", "direction", "message"], symbol="${symbol}")


def _macd() -> Json:
    return panels.timeseries(
        "MACD 12 26 9",
        "EMA 12 minus EMA 26, its average over 9 candles (signal), and the difference of both (histogram), in money.",
        [
            _indicators(
                [number("macd", "MACD"), number("macd_signal", "Signal"), number("macd_hist", "Histogram")],
                "macd=macd:12:26:9",
            )
        ],
        fields.defaults(
            "currencyUSD",
            decimals=3,
            color={"mode": "palette-classic"},
            custom=panels.lines(axisPlacement="right", axisWidth=80, axisCenteredZero=True),
        ),
        overrides=[
            fields.override("MACD", color=fields.fixed("blue")),
            fields.override("Signal", color=fields.fixed("orange")),
            fields.override(
                "Histogram", color=fields.fixed("light-purple"), custom__drawStyle="bars", custom__fillOpacity=50
            ),
        ],
    )


def _rsi() -> Json:
    return panels.timeseries(
        "RSI 14",
        "Relative strength index of 14 candles: above 70 is called overbought, below 30 oversold (dashed lines).",
        [_indicators([number("rsi", "RSI")], "rsi=rsi:14")],
        fields.defaults(
            "short",
            decimals=1,
            steps=((None, fields.FLAT), (30, fields.FLAT), (70, fields.FLAT)),
            color=fields.fixed("blue"),
            custom=panels.lines(axisPlacement="right", axisWidth=80, thresholdsStyle={"mode": "dashed"}),
            min=0,
            max=100,
        ),
    )


def _study() -> Json:
    return panels.timeseries(
        "${study}",
        "The indicator chosen at the top, of all that the bridge has, in its own unit.",
        [_indicators([number(column) for column in _STUDY], "study=${study}")],
        fields.defaults(
            "short",
            color={"mode": "palette-classic"},
            custom=panels.lines(axisPlacement="right", axisWidth=80),
        ),
        overrides=[fields.hidden_where_empty()],
    )
