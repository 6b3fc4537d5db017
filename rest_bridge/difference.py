"""Two indicators against each other: how far they are apart, and where they cross."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
from msgspec import Meta, field

from indicators.indicator import PRICE
from indicators.patterns import crosses
from indicators.registry import Chosen, parse_names
from market.price import SCALE
from market.timeframes import Timeframe
from redis_functions.read.lookback import Lookback, read_lookback
from redis_functions.read.ranges import Values
from rest_bridge import parameters as p
from rest_bridge.answers import Answer
from rest_bridge.auto_timeframe import timeframe_for
from rest_bridge.breaks import TEXT, with_breaks
from rest_bridge.charts import MAX_ROWS, chart_page
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Page, Tabular
from rest_bridge.rows import rounded

_DIGITS = 10


def read_line(text: str) -> Chosen:
    """One indicator with one output, in money. Raises ValueError with words for the user."""
    chosen = parse_names(text)
    outputs = chosen[0].outputs
    if len(chosen) > 1 or len(outputs) > 1 or next(iter(outputs.values())).unit != PRICE:
        raise ValueError(f"{p.shown(text)} is not one line in money, such as 'ema:20', 'sma:50' or 'vwap'")
    return chosen[0]


class CrossingsQuery(Tabular, kw_only=True):
    symbol: p.Symbol
    first: Annotated[Chosen, p.text(read_line, "An indicator with one line in money.", "ema:20")]
    second: Annotated[Chosen, p.text(read_line, "The one to compare it with.", "sma:50")]
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS, description="The newest so many candles are looked at.")] = MAX_ROWS

    def rows(self) -> int:
        return 2 * self.limit


class DifferenceQuery(CrossingsQuery, kw_only=True):
    breaks: Annotated[bool, Meta(description=TEXT)] = False


class Crossing(Answer):
    t: Annotated[int, Meta(description="start of the candle at whose close they have crossed")]
    direction: Literal["up", "down"]
    title: str


class DifferenceAt(Answer):
    t: Annotated[int, Meta(description="start of the candle, epoch milliseconds UTC")]
    first: float | None
    second: float | None
    difference: Annotated[
        float | None, Meta(description="first minus second; null where one of them has too few candles")
    ]


def difference(context: Context, q: DifferenceQuery) -> Page[DifferenceAt]:
    part, timeframe = _read(context, q)
    skipped = len(part.earlier)
    first, second, _ = (line[skipped:] / SCALE for line in _lines(part, q))
    times = part.asked.t.tolist()
    columns = (rounded(column, _DIGITS) for column in (first, second, first - second))
    rows = list(map(DifferenceAt, times, *columns))
    if q.breaks:
        rows = with_breaks(rows, times, timeframe.ms, lambda t: DifferenceAt(t, None, None, None))
    return chart_page(q, timeframe, rows, {})


def crossings(context: Context, q: CrossingsQuery) -> Page[Crossing]:
    part, timeframe = _read(context, q)
    return chart_page(q, timeframe, sorted(_crossings(part, q), key=lambda one: one.t), {})


def _crossings(part: Lookback, q: CrossingsQuery) -> Iterator[Crossing]:
    first, second, close = _lines(part, q)
    skipped = len(part.earlier)
    ways: tuple[tuple[Literal["up", "down"], str], ...] = (("up", "rises above"), ("down", "falls below"))
    for direction, verb in ways:
        at = np.flatnonzero(crosses(first, second, close, direction == "up")[skipped:])
        title = f"{_shown(q.first)} {verb} {_shown(q.second)}"
        yield from (Crossing(t, direction, title) for t in part.asked.t[at].tolist())


def _shown(one: Chosen) -> str:
    return one.name.upper().replace("_", " ")


def _read(context: Context, q: CrossingsQuery) -> tuple[Lookback, Timeframe]:
    """The candles with those before them, and their timeframe."""
    timeframe = timeframe_for(context.redis, q, [q.symbol])
    both = (q.first, q.second)
    # One more: whether two lines cross at a candle depends on the candle before it.
    reach = max(one.reach for one in both) + 1
    whole_session = any(one.indicator.whole_session for one in both)
    (part,) = read_lookback(
        context.redis, [q.symbol], timeframe, (q.from_, q.to), q.limit, reach, _inputs(q), whole_session=whole_session
    )
    return part, timeframe


def _inputs(q: CrossingsQuery) -> set[str]:
    return {"close", *q.first.indicator.inputs, *q.second.indicator.inputs}


def _lines(part: Lookback, q: CrossingsQuery) -> tuple[Values, Values, Values]:
    """First, second and close of all candles, in ticks."""
    inputs = part.inputs(_inputs(q))
    first, second = (next(iter(one.compute(inputs).values())) for one in (q.first, q.second))
    return first, second, inputs["close"]


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/difference",
        difference,
        "Two indicators and their difference",
        "At each candle of `from`..`to`: how far a fast average leads a slow one, or the price is from its VWAP.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/crossings",
        crossings,
        "Where two indicators cross",
        "Candles at whose close `first` is on the other side of `second` than at the close before.",
        "charts",
    ),
)
