"""Every key, channel and stream of the store, spelled once. Braces are hash tags: one symbol, one cluster slot.

| key | type | written by | read by |
|---|---|---|---|
| ts:{SYM}:<tf>:<field> | time series | ingest | bridge, alerts, people |
| latest:{SYM} | string, JSON bar | ingest | bridge |
| symbols | set | ingest | bridge |
| movers | string, JSON | ingest, once a second | bridge |
| alerts, {alerts}:* | stream, ... | the function raise_alert | bridge |
| alert:{SYM} | time series | whoever raised the alert | charts |
| gaps:{feed} | stream | ingest | bridge |
| ts:stats:<name> | time series | ingest | bridge |
| previous_close:{DAY} | hash, symbol to decimal text | ingest | bridge |
| metrics:{process} | string, expires | each process | bridge (/metrics) |
"""

from __future__ import annotations

from datetime import date

#: Fields of a bar in the store, in the order of Bar's o h l c v n, each with its aggregator in the rules.
FIELDS: dict[str, str] = {
    "open": "first",
    "high": "max",
    "low": "min",
    "close": "last",
    "volume": "sum",
    "notional": "sum",
}

SYMBOLS = "symbols"
MOVERS = "movers"
ALERTS = "alerts"
#: Hash: ``rule|symbol|direction`` to the event times of its newest alerts (see lua/raise_alert.lua).
ALERTS_FIRED = "{alerts}:fired"

CHANNEL_BARS = "bars"
CHANNEL_ALERTS = "alerts"

#: A minute bar that fills a minute without second bars is kept in the 1s series this many ms after the minute's start.
#: So the rules roll it up like any second, and whoever reads second bars can tell it apart: their times are whole seconds.
MINUTE_MARK_MS = 1


def series(symbol: str, timeframe: str, field: str) -> str:
    """``ts:{AAPL}:1m:close``; `timeframe` is one of 1s 1m 5m 1h, `field` one of FIELDS."""
    return f"ts:{{{symbol}}}:{timeframe}:{field}"


def latest(symbol: str) -> str:
    return f"latest:{{{symbol}}}"


def alert_series(symbol: str) -> str:
    return f"alert:{{{symbol}}}"


def gaps(feed: str) -> str:
    return f"gaps:{{{feed}}}"


def stat(name: str) -> str:
    return f"ts:stats:{name}"


def previous_close(day: date) -> str:
    """``previous_close:{2025-10-10}``: the closes before that New York day which the velocity detector divides by."""
    return f"previous_close:{{{day.isoformat()}}}"


def metrics(process: str) -> str:
    return f"metrics:{{{process}}}"


def channel_bars(symbol: str) -> str:
    return f"bars:{{{symbol}}}"
