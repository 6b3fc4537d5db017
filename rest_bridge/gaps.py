"""What the feed did not bring, and what of it was brought back."""

from __future__ import annotations

import time
from typing import Annotated, Literal, cast

import msgspec
from msgspec import Meta, field

from market.calendar import tape_hours, trade_date
from redis_functions.read.completeness import coverage
from redis_functions.read.gaps import EVERY_SYMBOL, Gap, read_gaps
from redis_functions.read.market import count_symbols, is_known, read_movers
from rest_bridge import parameters as p
from rest_bridge.answers import Answer
from rest_bridge.endpoint import PREFIX, Context, Endpoint

_TimeOrNull = Annotated[int | None, Meta(description="event time, epoch milliseconds UTC; null: not known yet")]
_Minutes = Annotated[int, Meta(ge=0, description="minutes of symbols: one symbol in one minute of market hours is one")]


class GapsQuery(p.Parameters):
    symbol: p.OnlySymbol = None
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER


class Spike(Answer):
    symbol: str
    t: Annotated[int, Meta(description="start of the second bar, epoch milliseconds UTC")]
    direction: Literal["up", "down"]
    magnitude: Annotated[float, Meta(description="percent")]


State = Literal["open", "repaired", "unrepairable"]


class GapRow(Answer):
    symbol: Annotated[str, Meta(description="`*`: all symbols")]
    from_: _TimeOrNull = field(name="from")
    to: _TimeOrNull
    reason: str
    state: State
    repaired_bars: Annotated[int, Meta(ge=0, description="bars of the gap that were brought back, of all its symbols")]
    spikes: Annotated[list[Spike], Meta(description="velocity alerts that would have been raised in the gap")]


class Coverage(Answer):
    date: Annotated[str, Meta(description="trade date of the newest event", extra_json_schema={"format": "date"})]
    fraction: Annotated[
        float | None, Meta(description="live and repaired, of all, 0 to 1; null for a symbol that was never seen")
    ] = None
    live_minutes: _Minutes = 0
    repaired_minutes: _Minutes = 0
    missing_minutes: _Minutes = 0


class Gaps(Answer):
    gaps: list[GapRow]
    coverage: Coverage


_spikes = msgspec.json.Decoder(list[Spike]).decode


def gaps(context: Context, q: GapsQuery) -> Gaps:
    symbol = q.symbol
    found = [g for g in read_gaps(context.redis, context.config.feed_name) if symbol is None or g.concerns(symbol)]
    # Time is event time: of a delayed feed or a replay, today is the day of its newest event.
    now = max(0, read_movers(context.redis).get("t") or 0) or int(time.time() * 1000)
    today = trade_date(now, context.config.always_open)
    if symbol is None:
        seen, concerned = count_symbols(context.redis), found
    else:
        seen, concerned = int(is_known(context.redis, symbol)), [g._replace(symbols=(EVERY_SYMBOL,)) for g in found]
    share = coverage(concerned, seen, tape_hours(today, context.config.always_open), now)
    day = today.date.isoformat()
    known = symbol is None or seen
    covered = Coverage(day, share.fraction, share.live, share.repaired, share.missing) if known else Coverage(day)
    return Gaps(
        [
            _row(g, name, symbol or name)
            for g in found
            if _touches(g, q.from_, q.to)
            for name in (g.symbols if symbol is None or EVERY_SYMBOL in g.symbols else (symbol,))
        ],
        covered,
    )


def _row(gap: Gap, name: str, of: str) -> GapRow:
    try:
        spikes = [spike for spike in _spikes(gap.spikes) if of in (EVERY_SYMBOL, spike.symbol)]
    except msgspec.DecodeError:
        spikes = []  # not our own words: an operator's entry
    return GapRow(name, gap.start, gap.end, gap.reason, cast(State, gap.state), gap.repaired_bars, spikes)


def _touches(gap: Gap, start: int, end: int) -> bool:
    return (gap.end is None or gap.end >= start) and (gap.start is None or gap.start <= end)


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/gaps",
        gaps,
        "Gaps of the feed and the day's coverage",
        "Gaps that touch `from`..`to`, ascending; the coverage is always of the newest event's trade date, of `symbol` alone "
        "if one is given. A minute of a symbol is `missing` where a gap that is open or unrepairable touches it, "
        "`repaired` where only repaired ones do, else `live`: that nothing traded is no gap. What the market was "
        "open before the first start is a gap, `not running`. Market hours are 04:00 to "
        "20:00 New York time on trading days, to 17:00 where the regular session ends at 13:00; from 2026-12-07 on they begin "
        "at 21:00 on the evening before. A simulated market never closes.",
        "operations",
    ),
)
