"""Candlestick patterns and crossings at the candles of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import msgspec
from msgspec import Meta, field

from indicators.patterns import TITLES, find, reach
from indicators.registry import nearest
from market.price import SCALE
from redis_functions.read.lookback import Lookback, read_lookback
from rest_bridge import parameters as p
from rest_bridge.answers import Answer, SymbolOfList
from rest_bridge.auto_timeframe import timeframe_for
from rest_bridge.charts import MAX_ROWS, SessionWord, chart_page, never_in, session_of, share
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Edge, Found, Listed, Page, Tabular, read_page
from rest_bridge.rows import by_symbol

_PRICES = ("open", "high", "low", "close")


def read_names(text: str) -> list[str]:
    """A comma list of patterns. Raises ValueError with all names and the nearest where one does not exist."""
    names = list(dict.fromkeys(p.split(text)))
    for name in names:
        if name not in TITLES:
            hint = nearest(name, TITLES)
            raise ValueError(f"{p.shown(name)} is not a pattern{hint}; known are {', '.join(TITLES)}")
    return names


class PatternsQuery(Listed, kw_only=True):
    symbol: p.Symbols
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    names: Annotated[
        list[str] | None,
        p.text(
            read_names,
            "Only these, a comma list, such as `CDLENGULFING,golden_cross`; `/patterns/catalog` lists them.",
            "CDLENGULFING,golden_cross",
        ),
    ] = None
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[
        int, Meta(ge=1, le=MAX_ROWS, description="The newest so many rows of each symbol (with `sort=asc` the oldest).")
    ] = MAX_ROWS
    session: SessionWord = "all"
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * share(MAX_ROWS, len(self.symbol)) * len(self.names or TITLES)


class PatternAt(Answer, gc=False):
    t: Annotated[int, Meta(description="start of the candle at which the pattern is complete")]
    pattern: str
    title: str
    value: Annotated[int, Meta(description="100 up, -100 down, 200 or -200 confirmed by a later candle")]
    symbol: SymbolOfList | msgspec.UnsetType = msgspec.UNSET


class PatternEntry(Answer):
    pattern: str
    title: str


def patterns(context: Context, q: PatternsQuery) -> Page[PatternAt]:
    names = q.names or list(TITLES)
    timeframe = timeframe_for(context.redis, q, q.symbol)
    candles = share(MAX_ROWS, len(q.symbol))

    def read(symbols: Sequence[str], start: int, end: int, taken: int) -> list[Found[PatternAt]]:
        if never_in(context, q):
            return [Found([]) for _ in symbols]
        found = read_lookback(
            context.redis,
            symbols,
            timeframe,
            (start, end),
            candles,
            reach(names),
            _PRICES,
            session=session_of(context, q),
            oldest=q.sort == "asc",
        )
        return [_limited(q, part, _rows(part, names), taken) for part in found]

    parts, link = read_page(q, q.symbol, q.from_, q.to, read)
    return chart_page(q, timeframe, by_symbol(q.symbol, parts, labels=q.labels), link)


def _limited(q: PatternsQuery, part: Lookback, rows: list[PatternAt], taken: int) -> Found[PatternAt]:
    """The rows up to the limit; `taken`: so many at the first (or last) candle were answered before."""
    limit = share(q.limit, len(q.symbol))
    candles = part.asked.t.tolist()
    if not candles:
        return Found([])
    ascending = q.sort == "asc"
    first = candles[0] if ascending else candles[-1]
    left = rows[taken:] if ascending else rows[: len(rows) - taken]
    kept = left[:limit] if ascending else left[-limit:]
    if len(left) > limit:
        t = kept[-1].t if ascending else kept[0].t
        return Found(kept, Edge(t, sum(row.t == t for row in kept) + (taken if t == first else 0)))
    if not part.asked.more:
        return Found(kept)
    return Found(kept, Edge(candles[-1] if ascending else candles[0]))


def _rows(part: Lookback, names: list[str]) -> list[PatternAt]:
    # In decimals, as `/candles` answers them: TA-Lib finds the same patterns in that answer.
    prices = {name: column / SCALE for name, column in part.inputs(_PRICES).items()}
    first = len(part.earlier)
    t = part.asked.t.tolist()
    return [PatternAt(t[row - first], name, TITLES[name], value) for row, name, value in find(prices, names, first)]


def catalog(context: Context, q: Tabular) -> list[PatternEntry]:
    return [PatternEntry(name, title) for name, title in TITLES.items()]


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/patterns",
        patterns,
        "Candlestick patterns and crossings",
        "TA-Lib's 61 patterns, the golden and death cross (SMA 50 and 200) and MACD's crossings of its signal, at the newest "
        f"{MAX_ROWS:,} candles of `from`..`to`, ascending. 100 points up, -100 down; a doji points nowhere and has 100.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/patterns/catalog",
        catalog,
        "The patterns that can be asked for",
        description="TA-Lib's names, and those of the four signals, with a title in plain words.",
        tag="charts",
        queued=False,
        store=False,
    ),
)
