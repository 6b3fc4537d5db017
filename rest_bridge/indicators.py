"""Candles with indicators, and the catalog of what can be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import msgspec

from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import MAX_NAMES, Chosen, example, parse_names, usage
from market.price import SCALE
from redis_functions.read.lookback import Lookback, read_lookback
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.charts import LIMIT_TEXT, MAX_ROWS, share
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.rows import by_symbol, candle_columns, rounded

#: Of prices and of all else: a double of an expensive share has no more.
_DIGITS = 10
#: Row types that are kept for requests with the same columns.
_KEPT_TYPES = 256


def indicators(context: Context, q: p.Query) -> Any:
    symbols, chosen, converged = q["symbol"], q["names"], q["converged"] == "1"
    found = read_lookback(
        context.redis,
        symbols,
        q["timeframe"],
        (q["from"], q["to"]),
        share(q["limit"], len(symbols)),
        max(one.reach for one in chosen),
        _inputs(chosen),
        whole_session=any(one.indicator.whole_session for one in chosen),
    )
    return by_symbol(symbols, [_rows(part, chosen, converged) for part in found], labels=q["labels"] == "1")


def _rows(part: Lookback, chosen: Sequence[Chosen], converged: bool) -> list[Any]:
    if not len(part.asked):
        return []
    inputs = part.inputs(_inputs(chosen))
    first = len(part.earlier)
    columns: dict[str, Sequence[Any]] = {}
    for one in chosen:
        outputs = one.outputs
        for name, values in one.compute(inputs).items():
            asked = values[first:]
            columns[name] = rounded(asked / SCALE if outputs[name].unit == PRICE else asked, _DIGITS)
        if converged:
            columns[f"{one.name}_converged"] = one.converged(inputs)[first:].tolist()
    row = _row_type(tuple(columns))
    return list(map(row, *candle_columns(part.asked), *columns.values()))


def _inputs(chosen: Sequence[Chosen]) -> set[str]:
    return {name for one in chosen for name in one.indicator.inputs}


@lru_cache(maxsize=_KEPT_TYPES)
def _row_type(columns: tuple[str, ...]) -> type[msgspec.Struct]:
    """A row of a candle and these columns. Structs are made in a third of the time that dicts take."""
    names = ("t", "o", "h", "l", "c", "v", "vw", *columns)
    # A column may be called as no Python name is, such as `class`: so fields are numbered, and named when written.
    fields: list[tuple[Any, ...]] = [(f"f{i}", Any) for i in range(1, len(names))]
    renamed = {f"f{i}": name for i, name in enumerate(names)}
    return msgspec.defstruct(
        "IndicatorRow",
        [("t", int), *fields, ("symbol", str | msgspec.UnsetType, msgspec.UNSET)],
        rename=renamed,
        gc=False,
    )


def catalog(context: Context, q: p.Query) -> Any:
    return [
        {
            "name": name,
            "usage": usage(name),
            "example": example(name),
            "meaning": one.meaning,
            "unit": one.outputs[0].unit,
            "parameters": [
                {"name": a.name, "default": a.default, "low": a.low, "high": a.high, "whole": a.whole}
                for a in one.parameters
            ],
            "outputs": [
                {"column": column, "suffix": output.suffix, "unit": output.unit}
                for column, output in parse_names(example(name))[0].outputs.items()
            ],
        }
        for name, one in INDICATORS.items()
    ]


_NAMES = p.Parameter(
    "names",
    f"Comma list of up to {MAX_NAMES} of: " + ", ".join(f"`{usage(name)}`" for name in INDICATORS) + "; "
    "`fast=sma:20` calls its column `fast`. `/indicators/catalog` explains them.",
    parse_names,
    required=True,
    example="sma:20,ema:50",
)
_CONVERGED = p.choice(
    "converged", "`1` adds `<name>_converged`: whether enough earlier candles went into the value.", ("0", "1"), "0"
)
_PARAMETER = {"name": schemas.TEXT, **dict.fromkeys(("default", "low", "high"), schemas.NUMBER), "whole": schemas.FLAG}
_OUTPUT = dict.fromkeys(("column", "suffix", "unit"), schemas.TEXT)
_CATALOG = {
    **dict.fromkeys(("name", "usage", "example", "meaning", "unit"), schemas.TEXT),
    "parameters": schemas.rows(schemas.record(_PARAMETER)),
    "outputs": schemas.rows(schemas.record(_OUTPUT)),
}

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/indicators",
        indicators,
        "Candles with indicators",
        schemas.rows(schemas.record(schemas.CANDLE_MEMBERS, more={"type": ["number", "boolean", "null", "string"]})),
        (
            p.symbols(),
            p.timeframe(),
            _NAMES,
            *p.span(),
            p.limit(MAX_ROWS, MAX_ROWS, LIMIT_TEXT),
            _CONVERGED,
            p.labels(),
        ),
        "The candles of `/candles`, with a column for each output, named by the request with underscores: `sma_20`. "
        "Enough earlier candles are read for values not to depend on `from`; null where there are too few.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/indicators/catalog",
        catalog,
        "The indicators that can be asked for",
        schemas.rows(schemas.record(_CATALOG)),
        description="Each with its parameters, their ranges and usual values, its outputs with units, and what it means.",
        tag="charts",
        store=False,
    ),
)
