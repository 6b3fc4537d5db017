"""The market as a whole: symbols, movers, statistics."""

from __future__ import annotations

from operator import attrgetter
from typing import Annotated, Literal

import msgspec
import numpy as np
from msgspec import Meta, field

from market.price import SCALE
from redis_functions.contract.statistics import STATISTICS
from redis_functions.read.candles import CLOSE
from redis_functions.read.market import read_movers, read_symbols
from redis_functions.read.reader import read_candles
from redis_functions.read.statistics import read_newest_stats, read_stats
from rest_bridge import parameters as p
from rest_bridge.answers import Answer, Time
from rest_bridge.auto_timeframe import timeframe_for
from rest_bridge.breaks import TEXT, with_breaks
from rest_bridge.charts import chart_page, velocities
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.errors import bad_request
from rest_bridge.page import CURSOR_WORDS, Edge, Listed, Page, Tabular, link_to
from rest_bridge.rows import numbers_or_null, rounded

MAX_SYMBOLS = 20_000
MAX_MOVERS = 50
MAX_STATS_ROWS = 5_000
MAX_STEP_S = 86_400
#: Symbols of /movers/velocity, which reads every second of each.
MAX_FASTEST = 30
#: As far back as second bars are kept by default.
MAX_VELOCITY_MS = 7_200_000
#: Candles of each mover in /movers/candles: a sparkline is not wider.
SPARKLINE_ROWS = 240


By = Literal["velocity", "change", "volume"]


def _read_stats_names(text: str) -> list[str]:
    names = list(dict.fromkeys(p.split(text)))
    for name in names:
        if name not in STATISTICS:
            raise ValueError(f"{p.shown(name)} is not a statistic; known are {', '.join(STATISTICS)}")
    return names


class SymbolsQuery(Tabular, kw_only=True):
    q: Annotated[str, p.text(p.read_word, "Only symbols that contain this, in any case: the best match first.")] = ""
    limit: Annotated[
        int, Meta(ge=1, le=MAX_SYMBOLS, description="At most so many; the header `Link` leads to the rest.")
    ] = MAX_SYMBOLS
    cursor: Annotated[str, p.text(p.read_symbol, CURSOR_WORDS)] = ""


class MoversQuery(Tabular, kw_only=True):
    by: Annotated[By, Meta(description="Ranked by this.")] = "velocity"
    order: Annotated[
        Literal["desc", "asc"],
        Meta(description="`desc`: the highest first; `asc`: the lowest first (not by volume)."),
    ] = "desc"
    limit: Annotated[int, Meta(ge=1, le=MAX_MOVERS, description="So many symbols.")] = 10


class MoversCandlesQuery(MoversQuery, kw_only=True):
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER

    def rows(self) -> int:
        return self.limit * SPARKLINE_ROWS


class MoversVelocityQuery(Tabular, kw_only=True):
    limit: Annotated[int, Meta(ge=1, le=MAX_FASTEST, description="So many symbols.")] = 20
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    points: Annotated[int, Meta(ge=1, le=500, description="`from`..`to` is cut into so many spans.")] = 60

    def rows(self) -> int:
        return self.limit * self.points


class StatsSeriesQuery(Listed, kw_only=True):
    names: Annotated[list[str], p.text(_read_stats_names, "Comma list of the names of `/stats`.", "lag_ms")]
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_STATS_ROWS, description="The newest so many rows.")] = MAX_STATS_ROWS
    step: Annotated[
        int, Meta(ge=0, le=MAX_STEP_S, description="Means over spans of so many seconds; 0: every sample.")
    ] = 0
    points: (
        Annotated[
            int,
            Meta(
                ge=1,
                le=MAX_STATS_ROWS,
                description="Means over spans such that `from`..`to` has about so many; needs both, and no `step`.",
            ),
        ]
        | None
    ) = None
    breaks: Annotated[bool, Meta(description=TEXT)] = False

    def rows(self) -> int:
        return self.limit * len(self.names)


class SymbolRow(Answer):
    symbol: str


class Mover(Answer):
    symbol: str
    last: Annotated[float | None, Meta(description="price of the last bar")]
    velocity: Annotated[float | None, Meta(description="percent over the detector's window")]
    change: Annotated[float | None, Meta(description="percent on the day")]
    volume: Annotated[float | None, Meta(description="volume of the day")]
    t: Annotated[int | None, Meta(description="start of the last bar, epoch milliseconds UTC")]


class Close(Answer):
    t: Time
    symbol: str
    c: float


class FastestAt(Answer):
    t: Annotated[int, Meta(description="start of the span, epoch milliseconds UTC")]
    symbol: str
    velocity: Annotated[float | None, Meta(description="percent: the furthest from zero in the span")]


#: A member for each statistic of the table.
Stats = msgspec.defstruct(
    "Stats",
    [
        ("t", Annotated[int | None, Meta(description="time of the newest sample, epoch milliseconds UTC")]),
        *((name, Annotated[float | None, Meta(description=one.description)]) for name, one in STATISTICS.items()),
    ],
    bases=(Answer,),
)


def symbols(context: Context, q: SymbolsQuery) -> Page[SymbolRow]:
    part = q.q.lower()

    def place(name: str) -> tuple[bool, bool, str]:
        """Exact, then beginning with it, then the rest, each in alphabetical order."""
        return name.lower() != part, not name.lower().startswith(part), name

    names = sorted((name for name in read_symbols(context.redis) if part in name.lower()), key=place)
    if q.cursor:
        names = [name for name in names if place(name) > place(q.cursor)]
    link = {"cursor": names[q.limit - 1]} if len(names) > q.limit else {}
    return Page(list(map(SymbolRow, names[: q.limit])), link=link)


def movers(context: Context, q: MoversQuery) -> list[Mover]:
    """The top movers. Raises ApiError 400 for volume in ascending order, which is not ranked."""
    """The top movers. Raises ApiError 400 for volume in ascending order, which is not ranked."""
    ranking: str = q.by
    if q.order == "asc":
        if q.by == "volume":
            raise bad_request("by=volume is only answered with order=desc", "bad_parameter")
        ranking += "_down"
    ranked = read_movers(context.redis).get(ranking) or []
    return [Mover(*map(row.get, Mover.__struct_fields__)) for row in ranked[: q.limit]]


def movers_candles(context: Context, q: MoversCandlesQuery) -> Page[Close]:
    names = [mover.symbol for mover in movers(context, q)]
    if not names:
        return Page([])
    timeframe = timeframe_for(context.redis, q, names)
    found = read_candles(context.redis, names, timeframe, q.from_, q.to, SPARKLINE_ROWS)
    rows = [
        Close(t, name, c)
        for name, part in zip(names, found, strict=True)
        for t, c in zip(part.t.tolist(), (part.fields[CLOSE] / SCALE).tolist(), strict=True)
    ]
    rows.sort(key=attrgetter("t"))
    return chart_page(q, timeframe, rows, {})


def movers_velocity(context: Context, q: MoversVelocityQuery) -> list[FastestAt]:
    ranked = read_movers(context.redis)
    now = {
        row["symbol"]: abs(row["velocity"])
        for row in [*(ranked.get("velocity") or []), *(ranked.get("velocity_down") or [])]
        if row.get("velocity") is not None
    }
    names = sorted(sorted(now, key=now.__getitem__, reverse=True)[: q.limit])
    if not names:
        return []
    end = min(q.to, int(ranked["t"]))
    start = min(end, max(q.from_, end - MAX_VELOCITY_MS))
    step = max(1000, -(-(end - start) // (q.points * 1000)) * 1000)
    rows = []
    found = velocities(context, names, start, end, MAX_VELOCITY_MS // 1000)
    for name, (times, values, _) in zip(names, found, strict=True):
        spans = times // step
        ascending = np.lexsort((np.abs(values), spans))
        last = np.flatnonzero(np.diff(spans, append=-1))  # of each span: there the furthest from zero
        at = ascending[last]
        rows += [FastestAt(t, name, v) for t, v in zip((spans[at] * step).tolist(), rounded(values[at]), strict=True)]
    rows.sort(key=attrgetter("t"))
    return rows


def stats(context: Context, q: p.Parameters) -> msgspec.Struct:
    newest, values = read_newest_stats(context.redis)
    whole = {name: None if v is None else int(v) if v.is_integer() else v for name, v in values.items()}
    return Stats(newest, *map(whole.get, STATISTICS))


def stats_series(context: Context, q: StatsSeriesQuery) -> Page[dict[str, float | None]]:
    oldest, start, end = q.sort == "asc", q.from_, q.to
    step = _step_s(q)
    if q.cursor is not None:
        last = q.cursor[0].t
        start, end = (max(start, last + max(1, step * 1000)), end) if oldest else (start, min(end, last - 1))
    names = ("t", *q.names)
    if start > end:
        return Page([], columns=names)
    t, values, more = read_stats(context.redis, q.names, start, end, q.limit, step * 1000, oldest)
    columns = zip(t.tolist(), *(numbers_or_null(column) for column in values), strict=True)
    rows: list[dict[str, float | None]] = [dict(zip(names, row, strict=True)) for row in columns]
    if q.breaks:
        nothing = dict.fromkeys(q.names)
        rows = with_breaks(rows, t.tolist(), step * 1000, lambda at: {"t": at, **nothing})
    link = link_to([Edge(int(t[-1] if oldest else t[0]))]) if more else {}
    # The span of the means is that of the whole range on every page.
    return Page(rows, link=link | {"step": str(step)} if link and step else link, columns=names)


def _step_s(q: StatsSeriesQuery) -> int:
    """The span of each mean in seconds; 0 where every sample is returned, or there are no more samples than points."""
    if q.step or q.points is None:
        return q.step
    step = -(-(q.to - q.from_) // (q.points * 1000))
    return 0 if step <= 1 else min(step, MAX_STEP_S)


ENDPOINTS = (
    Endpoint(f"{PREFIX}/symbols", symbols, "Symbols seen so far"),
    Endpoint(
        f"{PREFIX}/movers",
        movers,
        "The symbols that move most",
        "From a snapshot that is taken once a second. Best first.",
    ),
    Endpoint(
        f"{PREFIX}/movers/candles",
        movers_candles,
        "Closes of the symbols that move most",
        f"For sparklines: rows of all of them, ascending; the newest {SPARKLINE_ROWS} candles of each.",
    ),
    Endpoint(
        f"{PREFIX}/movers/velocity",
        movers_velocity,
        "The velocity of the fastest symbols",
        "For a heat map: of the symbols that are fastest now, up or down, the velocity that is furthest from zero in each of "
        "`points` spans, of two hours at most. A span without a bar of the symbol has no row.",
    ),
    Endpoint(
        f"{PREFIX}/stats",
        stats,
        "The newest of each statistic",
        "null where there is no sample yet.",
        "operations",
        answer=Stats,
    ),
    Endpoint(
        f"{PREFIX}/stats/series",
        stats_series,
        "The course of statistics",
        "Rows of `t` and one member for each name, ascending.",
        "operations",
    ),
)
