"""Candles with indicators, and the catalog of what can be asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Annotated, Any, cast

import msgspec
from msgspec import Meta, field

from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import MAX_NAMES, Chosen, example, parse_names, usage
from market.price import SCALE
from redis_functions.read.lookback import Lookback, read_lookback
from rest_bridge import parameters as p
from rest_bridge.answers import Answer
from rest_bridge.auto_timeframe import timeframe_for
from rest_bridge.breaks import TEXT, with_breaks
from rest_bridge.charts import LIMIT_TEXT, MAX_ROWS, SessionWord, chart_page, never_in, session_of, share
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Found, Listed, Page, Tabular, edge_of, read_page
from rest_bridge.previous_close import previous_closes_at
from rest_bridge.rows import CandleAndColumns, Row, Value, by_symbol, candle_columns, rounded

#: Of prices and of all else: a double of an expensive share has no more.
_DIGITS = 10
#: Values of all indicators and symbols together: some 0.2 s of CPU, which nobody else gets meanwhile.
MAX_VALUES = 250_000
CANDLE_COLUMNS = ("t", "o", "h", "l", "c", "v", "vw")
#: Row types that are kept for requests with the same columns.
_KEPT_TYPES = 256


_Names = Annotated[
    list[Chosen],
    p.text(
        parse_names,
        f"Comma list of up to {MAX_NAMES} of: "
        + ", ".join(f"`{usage(name)}`" for name in INDICATORS)
        + "; `fast=sma:20` calls its column `fast`. `/indicators/catalog` explains them.",
        "sma:20,ema:50",
    ),
]


class IndicatorsQuery(Listed, kw_only=True):
    symbol: p.Symbols
    names: _Names
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS, description=LIMIT_TEXT)] = MAX_ROWS
    session: SessionWord = "all"
    converged: Annotated[
        bool, Meta(description="`1` adds `<name>_converged`: whether enough earlier candles went into the value.")
    ] = False
    previous_close: Annotated[
        bool,
        Meta(description="`1` adds `previous_close`: the close before each candle's New York day, null if not known."),
    ] = False
    breaks: Annotated[bool, Meta(description=TEXT)] = False
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * self.rows_each() * len(self.names)

    def rows_each(self) -> int:
        """Rows of each symbol: fewer where many indicators of many symbols are asked for."""
        return min(share(self.limit, len(self.symbol)), MAX_VALUES // (len(self.symbol) * len(self.names)))


class IndicatorParameter(Answer):
    name: str
    default: float
    low: float
    high: float
    whole: bool


class IndicatorOutput(Answer):
    column: str
    suffix: str
    unit: str


class IndicatorEntry(Answer):
    name: str
    usage: str
    example: str
    meaning: str
    unit: str
    parameters: list[IndicatorParameter]
    outputs: list[IndicatorOutput]


def indicators(context: Context, q: IndicatorsQuery) -> Page[Row]:
    chosen, converged = q.names, q.converged
    timeframe = timeframe_for(context.redis, q, q.symbol)

    def read(symbols: Sequence[str], start: int, end: int, _: int) -> list[Found[Row]]:
        if never_in(context, q):
            return [Found([]) for _ in symbols]
        found = read_lookback(
            context.redis,
            symbols,
            timeframe,
            (start, end),
            q.rows_each(),
            max(one.reach for one in chosen),
            _inputs(chosen),
            whole_session=any(one.indicator.whole_session for one in chosen),
            session=session_of(context, q),
            oldest=q.sort == "asc",
        )
        before = _previous_closes(context, q, symbols, found)
        break_ms = timeframe.ms if q.breaks else None
        rows = [_rows(part, chosen, converged, more, break_ms) for part, more in zip(found, before, strict=True)]
        return [Found(one, edge_of(q, one, part.asked.more)) for one, part in zip(rows, found, strict=True)]

    parts, link = read_page(q, q.symbol, q.from_, q.to, read)
    page = chart_page(q, timeframe, by_symbol(q.symbol, parts, labels=q.labels), link)
    return page if page.rows else replace(page, columns=_columns(q))


def _columns(q: IndicatorsQuery) -> list[str]:
    """The members of a row."""
    columns = [*CANDLE_COLUMNS]
    for one in q.names:
        columns += [*one.outputs, f"{one.name}_converged"] if q.converged else one.outputs
    return [*columns, "previous_close"] if q.previous_close else columns


def _previous_closes(
    context: Context, q: IndicatorsQuery, symbols: Sequence[str], found: Sequence[Lookback]
) -> list[dict[str, Sequence[Value]]]:
    """A further column for each symbol, if it is asked for."""
    if not q.previous_close:
        return [{} for _ in found]
    closes = previous_closes_at(context.redis, symbols, [part.asked.t for part in found])
    return [{"previous_close": rounded(values / SCALE, _DIGITS)} for values in closes]


def _rows(
    part: Lookback,
    chosen: Sequence[Chosen],
    converged: bool,
    more: dict[str, Sequence[Value]],
    break_step_ms: int | None,
) -> list[Row]:
    """The rows of one symbol, with the columns of `more`; with `break_step_ms`, the candles' length, and rows of nulls."""
    if not len(part.asked):
        return []
    inputs = part.inputs(_inputs(chosen))
    first = len(part.earlier)
    columns: dict[str, Sequence[Value]] = {}
    for one in chosen:
        outputs = one.outputs
        for name, values in one.compute(inputs).items():
            asked = values[first:]
            columns[name] = rounded(asked / SCALE if outputs[name].unit == PRICE else asked, _DIGITS)
        if converged:
            columns[f"{one.name}_converged"] = one.converged(inputs)[first:].tolist()
    columns |= more
    row = _row_type(tuple(columns))
    rows = list(map(row, *candle_columns(part.asked), *columns.values()))
    if break_step_ms is None:
        return rows
    nulls = [None] * (len(columns) + 6)  # and o, h, l, c, v, vw
    return with_breaks(rows, part.asked.t.tolist(), break_step_ms, lambda t: row(t, *nulls))


def _inputs(chosen: Sequence[Chosen]) -> set[str]:
    return {name for one in chosen for name in one.indicator.inputs}


@lru_cache(maxsize=_KEPT_TYPES)
def _row_type(columns: tuple[str, ...]) -> Callable[..., Row]:
    """A row of a candle and these columns. Structs are made in a third of the time that dicts take."""
    names = (*CANDLE_COLUMNS, *columns)
    # A column may be called as no Python name is, such as `class`: so fields are numbered, and named when written.
    fields: list[tuple[Any, ...]] = [(f"f{i}", Any) for i in range(1, len(names))]
    renamed = {f"f{i}": name for i, name in enumerate(names)}
    made: Any = msgspec.defstruct(
        "IndicatorRow",
        [("t", int), *fields, ("symbol", str | msgspec.UnsetType, msgspec.UNSET)],
        rename=renamed,
        gc=False,
    )
    return cast(Callable[..., Row], made)


def catalog(context: Context, q: Tabular) -> list[IndicatorEntry]:
    return [
        IndicatorEntry(
            name,
            usage(name),
            example(name),
            one.meaning,
            one.outputs[0].unit,
            [IndicatorParameter(a.name, a.default, a.low, a.high, a.whole) for a in one.parameters],
            [
                IndicatorOutput(column, output.suffix, output.unit)
                for column, output in parse_names(example(name))[0].outputs.items()
            ],
        )
        for name, one in INDICATORS.items()
    ]


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/indicators",
        indicators,
        "Candles with indicators",
        "The candles of `/candles`, with a column for each output, named by the request with underscores: `sma_20`. "
        "Enough earlier candles are read for values not to depend on `from`; null where there are too few.",
        "charts",
        answer=list[CandleAndColumns],
    ),
    Endpoint(
        f"{PREFIX}/indicators/catalog",
        catalog,
        "The indicators that can be asked for",
        description="Each with its parameters, their ranges and usual values, its outputs with units, and what it means.",
        tag="charts",
        queued=False,
        store=False,
    ),
)
