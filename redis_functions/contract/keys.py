"""Every key, channel and stream of the store, spelled once. Braces are hash tags: one symbol, one cluster slot.

| key | type | written by | read by |
|---|---|---|---|
| ts:{SYM}:<tf>:<field> | time series | ingest | bridge, alerts, people |
| latest:{SYM} | string, JSON bar | ingest | bridge |
| symbols | set | ingest | bridge |
| movers | string, JSON | ingest, once a second | bridge |
| halted | hash, symbol to event time | ingest, once a second | bridge |
| alerts, {alerts}:* | stream, ... | the function raise_alert | bridge |
| alert:{SYM} | time series | the process that raised the alert | charts |
| gaps:{feed} | stream | the function write_gap | bridge |
| gaps:{feed}:progress:<gap> | hash, symbol to JSON, expires | ingest | itself |
| gaps:{feed}:known | hash, gap id to its newest state | the function write_gap | itself |
| lease:{feed}, lease:{feed}:* | string, JSON; its fencing token; whether it was given back | the functions lease_* | themselves |
| watermark:{feed}, watermark:{feed}:spools | string, number; hash, spool to number | the function set_watermark | ingest |
| watchlist:{NAME}, watchlist:{NAME}:settings | set; hash | bridge | ingest, alerts |
| late:{SYM} | sorted set, expires | the function merge_late_print | itself |
| ts:stats:<name> | time series | ingest | bridge |
| previous_close:{DAY} | hash, symbol to decimal text | ingest | bridge |
| store | hash: feed, market, schema | ingest | ingest, doctor |
| metrics:{process} | string, expires | each process | bridge (/metrics) |
"""

from __future__ import annotations

import re
from datetime import date

SYMBOLS = "symbols"
MOVERS = "movers"
#: Hash: symbol to the event time of its halt, epoch ms.
HALTED = "halted"
STORE = "store"
ALERTS = "alerts"
#: The pattern of all keys beside the stream, in its slot.
ALERTS_OWN = "{alerts}:*"
#: Hash: ``rule|symbol|direction`` to the event times of its newest alerts (see lua/raise_alert.lua).
ALERTS_FIRED = "{alerts}:fired"

#: The pattern of all days' keys.
PREVIOUS_CLOSES = "previous_close:{*}"

CHANNEL_BARS = "bars"
CHANNEL_ALERTS = "alerts"

#: Glob of all series, and of whatever else begins so.
ANY_SERIES = "ts:*"
_OURS = re.compile(
    r"symbols|movers|halted|store|alerts|\{alerts\}:\w+"
    r"|ts:\{[^{}]+\}:(1s|1m|5m|1h):(open|high|low|close|volume|notional)|ts:stats:\w+"
    r"|(latest|alert|late|metrics|previous_close):\{[^{}]+\}"
    r"|(gaps|lease|watermark|watchlist):\{[^{}]+\}(:.+)?"
)


def is_ours(key: str) -> bool:
    """Whether the key is one of this module's."""
    return _OURS.fullmatch(key) is not None


def is_watchlist(key: str) -> bool:
    """Whether the key is a watchlist's or its settings'."""
    return key.startswith("watchlist:{")


def fixed_types(feed: str) -> dict[str, str]:
    """The keys whose names hold no symbol, day or process, with the types that TYPE answers."""
    return {
        SYMBOLS: "set", MOVERS: "string", STORE: "hash", ALERTS: "stream", ALERTS_FIRED: "hash",
        gaps(feed): "stream", gaps_known(feed): "hash",
        lease(feed): "string", lease_token(feed): "string", lease_released(feed): "string",
        watermark(feed): "string", watermark_spools(feed): "hash",
    }  # fmt: skip


def series(symbol: str, timeframe: str, field: str) -> str:
    """``ts:{AAPL}:1m:close``; `timeframe` is one of 1s 1m 5m 1h, `field` one of FIELDS."""
    return f"ts:{{{symbol}}}:{timeframe}:{field}"


def latest(symbol: str) -> str:
    return f"latest:{{{symbol}}}"


def alert_series(symbol: str) -> str:
    return f"alert:{{{symbol}}}"


def gaps(feed: str) -> str:
    return f"gaps:{{{feed}}}"


def gaps_known(feed: str) -> str:
    return f"{gaps(feed)}:known"


def gap_progress(feed: str, gap: str) -> str:
    """``gaps:{stocks}:progress:<gap id>``: what became of each symbol, while the gap is being repaired."""
    return f"{gaps(feed)}:progress:{gap}"


def lease(feed: str) -> str:
    """``lease:{stocks}``: who may hold the vendor's one connection."""
    return f"lease:{{{feed}}}"


def lease_token(feed: str) -> str:
    """The newest fencing token that was given out."""
    return f"{lease(feed)}:token"


def lease_released(feed: str) -> str:
    """The token whose owner gave the lease back."""
    return f"{lease(feed)}:released"


def watermark(feed: str) -> str:
    """``watermark:{stocks}``: the last spooled record whose effects are in Redis."""
    return f"watermark:{{{feed}}}"


def watermark_spools(feed: str) -> str:
    """The same for each spool: two boxes have one each, with numbers of their own."""
    return f"{watermark(feed)}:spools"


def late(symbol: str) -> str:
    """The late prints of a symbol that were merged lately, by when."""
    return f"late:{{{symbol}}}"


def stat(name: str) -> str:
    return f"ts:stats:{name}"


def previous_close(day: date) -> str:
    """``previous_close:{2025-10-10}``: the closes before that New York day which the velocity detector divides by."""
    return f"previous_close:{{{day.isoformat()}}}"


def watchlist(name: str) -> str:
    """``watchlist:{mine}``: its symbols."""
    return f"watchlist:{{{name}}}"


def watchlist_settings(name: str) -> str:
    """Its thresholds and e-mail address."""
    return f"{watchlist(name)}:settings"


def metrics(process: str) -> str:
    return f"metrics:{{{process}}}"


def channel_bars(symbol: str) -> str:
    return f"bars:{{{symbol}}}"
