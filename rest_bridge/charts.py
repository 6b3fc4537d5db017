"""Candles of symbols, and their velocity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple, Protocol, TypeVar

import numpy as np
from msgspec import Meta, field

from indicators.velocity_series import velocity_series
from market.timeframes import Timeframe
from redis_functions.read.ranges import Samples, Times, Values
from redis_functions.read.reader import Which, read_closes
from redis_functions.read.session_candles import Session, read_candles_of
from rest_bridge import parameters as p
from rest_bridge.auto_timeframe import Ranged, timeframe_for
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Edge, Found, Listed, Page, edge_of, read_page
from rest_bridge.previous_close import previous_closes_at
from rest_bridge.rows import Candle, VelocityAt, by_symbol, candle_rows, rounded

R = TypeVar("R")

MAX_ROWS = 5_000
#: Two hours of seconds and more: what the store keeps of them by default.
MAX_VELOCITY_ROWS = 10_000
#: Rows of a list of symbols in all: each symbol gets an equal share of them, if that is less than `limit`.
MAX_ROWS_TOGETHER = 50_000

SessionWord = Annotated[
    Literal["all", "regular", "extended"],
    Meta(
        description="`regular`: only bars of 09:30 to 16:00 New York (13:00 on early closes), candles aligned to 09:30; "
        "`extended`: only those before and after. A simulated market is always in its regular session."
    ),
]
LIMIT_TEXT = (
    "The newest so many rows (with `sort=asc` the oldest); of each symbol where there are several, but not more than "
    f"{MAX_ROWS_TOGETHER:,} by the number of symbols."
)


def share(limit: int, symbols: int) -> int:
    """Rows that each of so many symbols may have."""
    return min(limit, MAX_ROWS_TOGETHER // symbols)


class CandlesQuery(Listed, kw_only=True):
    symbol: p.Symbols
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS, description=LIMIT_TEXT)] = MAX_ROWS
    session: SessionWord = "all"
    ohlc: Annotated[
        Literal["known", "any"],
        Meta(
            description="`any`: also seconds (spans) in which only volume traded, their prices null; they count in the "
            "volume of every longer candle."
        ),
    ] = "known"
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * share(self.limit, len(self.symbol))


class VelocityQuery(Listed, kw_only=True):
    symbol: p.Symbols
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_VELOCITY_ROWS, description=LIMIT_TEXT)] = MAX_VELOCITY_ROWS
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * share(self.limit, len(self.symbol))


class InSession(Protocol):
    session: Literal["all", "regular", "extended"]


def session_of(context: Context, q: InSession) -> Session | None:
    """The session whose bars are wanted, None: all bars."""
    return None if q.session == "all" or (context.config.always_open and q.session == "regular") else q.session


def never_in(context: Context, q: InSession) -> bool:
    """Whether the market has no such session."""
    return context.config.always_open and q.session == "extended"


def candles(context: Context, q: CandlesQuery) -> Page[Candle]:
    timeframe = timeframe_for(context.redis, q, q.symbol)
    which = Which(oldest=q.sort == "asc", unpriced=q.ohlc == "any")
    limit = share(q.limit, len(q.symbol))

    def read(symbols: Sequence[str], start: int, end: int, _: int) -> list[Found[Candle]]:
        if never_in(context, q):
            return [Found([]) for _ in symbols]
        session = session_of(context, q)
        found = read_candles_of(context.redis, symbols, timeframe, start, end, limit, session, which=which)
        rows = [candle_rows(part) for part in found]
        return [Found(one, edge_of(q, one, part.more)) for one, part in zip(rows, found, strict=True)]

    parts, link = read_page(q, q.symbol, q.from_, q.to, read)
    return chart_page(q, timeframe, by_symbol(q.symbol, parts, labels=q.labels), link)


def chart_page(q: Ranged, timeframe: Timeframe, rows: list[R], link: dict[str, str]) -> Page[R]:
    """The page of candles of a timeframe; one chosen for `auto` stays chosen on the pages that follow."""
    if timeframe is q.timeframe:
        return Page(rows, link=link)
    return Page(rows, {"X-Timeframe": timeframe.name}, link and link | {"timeframe": timeframe.name})


def velocity(context: Context, q: VelocityQuery) -> Page[VelocityAt]:
    def read(symbols: Sequence[str], start: int, end: int, _: int) -> list[Found[VelocityAt]]:
        return read_velocity(context, q, symbols, start, end)

    parts, link = read_page(q, q.symbol, q.from_, q.to, read)
    return Page(by_symbol(q.symbol, parts, labels=q.labels), link=link)


def read_velocity(
    context: Context, q: VelocityQuery, symbols: Sequence[str], start: int, end: int
) -> list[Found[VelocityAt]]:
    """The rows of each symbol."""
    limit, oldest = share(q.limit, len(q.symbol)), q.sort == "asc"
    part = slice(limit) if oldest else slice(-limit, None)
    parts = []
    for times, values, edge in velocities(context, symbols, start, end, limit, oldest):
        rows = list(map(VelocityAt, times[part].tolist(), rounded(values[part])))
        parts.append(Found(rows, edge_of(q, rows, True) if len(times) > limit else edge))
    return parts


class Velocities(NamedTuple):
    """Times (epoch ms) with velocity in percent; `edge`: how far they reach, if the range has more."""

    t: Times
    v: Values
    edge: Edge | None


def velocities(
    context: Context, symbols: Sequence[str], start: int, end: int, limit: int, oldest: bool = False
) -> list[Velocities]:
    """For each symbol those at its bars from `start` to `end`, bars without a reference left out; of longer ranges those of at
    least the newest (or oldest) `limit` bars."""
    lag_s = context.config.velocity_window_s + context.config.velocity_max_age_s
    first = max(0, start - lag_s * 1000)
    # Closes are a second apart or more: so many before the first row reach back far enough for its reference.
    series = read_closes(context.redis, symbols, first, end, limit + lag_s + 2, oldest)
    found = []
    for closes, base in zip(series, _previous_closes(context, symbols, series), strict=True):
        values = velocity_series(
            closes.t, closes.v, context.config.velocity_window_s * 1000, context.config.velocity_max_age_s * 1000, base
        )
        known_from, edge = start, None
        if closes.more and oldest:
            edge = Edge(int(closes.t[-1]))
        elif closes.more:
            # Before it references are missing, as they were not read.
            known_from = max(start, int(closes.t[0]) + lag_s * 1000)
            edge = Edge(known_from)
        known = (closes.t >= known_from) & ~np.isnan(values)
        found.append(Velocities(closes.t[known], values[known], edge))
    return found


def _previous_closes(context: Context, symbols: Sequence[str], series: list[Samples]) -> list[Values | None]:
    """For each symbol the previous day's close at each of its bars, in ticks, NaN where the detector knew none."""
    if context.config.velocity_base != "previous_close":
        return [None] * len(series)
    return list(previous_closes_at(context.redis, symbols, [closes.t for closes in series]))


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/candles",
        candles,
        "Candles of a symbol, or of several",
        "Those whose start lies in `from`..`to`, whole and ascending, the running one included; "
        "none where nothing traded. Timeframes that are not stored are made of the coarsest stored one that fits.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/velocity",
        velocity,
        "Velocity of a symbol, or of several",
        "At each second bar the change of the close over the detector's window, in percent of the previous day's close "
        "(of the window's start where that is not known or not the base). Bars without a reference are left out.",
        "charts",
    ),
)
