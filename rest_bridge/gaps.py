"""What the feed did not bring, and what of it was brought back."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from market.calendar import tape_hours, trade_date
from redis_functions.read.completeness import coverage
from redis_functions.read.gaps import EVERY_SYMBOL, OPEN, REPAIRED, UNREPAIRABLE, Gap, read_gaps
from redis_functions.read.market import count_symbols, read_movers
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint


def gaps(context: Context, q: p.Query) -> Any:
    symbol: str | None = q["symbol"]
    found = [g for g in read_gaps(context.redis, context.config.feed_name) if symbol is None or g.concerns(symbol)]
    # Time is event time: of a delayed feed or a replay, today is the day of its newest event.
    now = max(0, read_movers(context.redis).get("t") or 0) or int(time.time() * 1000)
    today = trade_date(now, context.config.always_open)
    if symbol is None:
        seen, concerned = count_symbols(context.redis), found
    else:
        seen, concerned = 1, [g._replace(symbols=(EVERY_SYMBOL,)) for g in found]
    share = coverage(concerned, seen, tape_hours(today, context.config.always_open), now)
    return {
        "gaps": [
            _row(g, name, symbol or name)
            for g in found
            if _touches(g, q["from"], q["to"])
            for name in (g.symbols if symbol is None or EVERY_SYMBOL in g.symbols else (symbol,))
        ],
        "coverage": {
            "date": today.date.isoformat(),
            "fraction": share.fraction,
            "live_minutes": share.live,
            "repaired_minutes": share.repaired,
            "missing_minutes": share.missing,
        },
    }


def _row(gap: Gap, name: str, of: str) -> dict[str, Any]:
    try:
        spikes = [spike for spike in msgspec.json.decode(gap.spikes) if of in (EVERY_SYMBOL, spike["symbol"])]
    except (ValueError, TypeError, KeyError):
        spikes = []  # not our own words: an operator's entry
    return {
        "symbol": name, "from": gap.start, "to": gap.end, "reason": gap.reason, "state": gap.state,
        "repaired_bars": gap.repaired_bars, "spikes": spikes,
    }  # fmt: skip


def _touches(gap: Gap, start: int, end: int) -> bool:
    return (gap.end is None or gap.end >= start) and (gap.start is None or gap.start <= end)


_TIME = {"type": ["integer", "null"], "description": "event time, epoch milliseconds UTC; null: not known yet"}
_SPIKE = schemas.record(
    {
        "symbol": schemas.TEXT,
        "t": {"type": "integer", "description": "start of the second bar, epoch milliseconds UTC"},
        "direction": {"type": "string", "enum": ["up", "down"]},
        "magnitude": {**schemas.NUMBER, "description": "percent"},
    }
)
_GAP = schemas.record(
    {
        "symbol": {**schemas.TEXT, "description": "`*`: all symbols"},
        "from": _TIME,
        "to": _TIME,
        "reason": schemas.TEXT,
        "state": {"type": "string", "enum": [OPEN, REPAIRED, UNREPAIRABLE]},
        "repaired_bars": {**schemas.COUNT, "description": "bars of the gap that were brought back, of all its symbols"},
        "spikes": {**schemas.rows(_SPIKE), "description": "velocity alerts that would have been raised in the gap"},
    }
)
_MINUTES = {**schemas.COUNT, "description": "minutes of symbols: one symbol in one minute of market hours is one"}
_COVERAGE = schemas.record(
    {
        "date": {"type": "string", "format": "date", "description": "trade date of the newest event"},
        "fraction": {"type": "number", "minimum": 0, "maximum": 1, "description": "live and repaired, of all"},
        "live_minutes": _MINUTES,
        "repaired_minutes": _MINUTES,
        "missing_minutes": _MINUTES,
    }
)

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/gaps",
        gaps,
        "Gaps of the feed and the day's coverage",
        schemas.record({"gaps": schemas.rows(_GAP), "coverage": _COVERAGE}),
        (p.any_symbol(), *p.span()),
        "Gaps that touch `from`..`to`, ascending; the coverage is always of the newest event's trade date, of `symbol` alone "
        "if one is given. A minute of a symbol is `missing` where a gap that is open or unrepairable touches it, "
        "`repaired` where only repaired ones do, else `live`: that nothing traded is no gap. Market hours are 04:00 to "
        "20:00 New York time on trading days, to 17:00 where the regular session ends at 13:00; from 2026-12-07 on they begin "
        "at 21:00 on the evening before. A simulated market never closes.",
        "operations",
    ),
)
