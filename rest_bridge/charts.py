"""Candles of symbols and what is computed from them: indicators and velocity."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from indicators.entries import INDICATORS
from indicators.indicator import PRICE
from indicators.registry import MAX_NAMES, Chosen, parse_names, usage
from indicators.velocity_series import velocity_series
from market.price import SCALE
from market.sessions import day_of
from redis_functions.read.candles import CLOSE, HIGH, LOW, NOTIONAL, OPEN, VOLUME, Candles
from redis_functions.read.market import read_previous_closes
from redis_functions.read.ranges import Samples, Values
from redis_functions.read.reader import day_starts, read_candles, read_closes
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.rows import Candle, VelocityAt, candle_rows, merged, rounded, rows_with

MAX_ROWS = 5_000
#: Two hours of seconds and more: what the store keeps of them by default.
MAX_VELOCITY_ROWS = 10_000
#: Rows of all symbols of a list together: each symbol's share is this by their number, if that is less than `limit`.
MAX_ROWS_TOGETHER = 50_000

_LIMIT_TEXT = (
    "The newest so many rows; of each symbol where there are several, but not more than "
    f"{MAX_ROWS_TOGETHER:,} by the number of symbols."
)


def share(limit: int, symbols: int) -> int:
    """Rows that each of so many symbols may have."""
    return min(limit, MAX_ROWS_TOGETHER // symbols)


def candles(context: Context, q: p.Query) -> Any:
    symbols = q["symbol"]
    limit = share(q["limit"], len(symbols))
    found = read_candles(context.redis, symbols, q["timeframe"], q["from"], q["to"], limit)
    return _by_symbol(q, [candle_rows(part) for part in found])


def indicators(context: Context, q: p.Query) -> Any:
    chosen: list[Chosen] = q["names"]
    asked = [q["symbol"]], q["timeframe"]
    rows = read_candles(context.redis, *asked, q["from"], q["to"], q["limit"])[0]
    if not len(rows):
        return []
    first = int(rows.t[0])
    lookback = max(one.reach for one in chosen)
    if any(one.indicator.whole_session for one in chosen):
        of_session = (first - int(day_starts(rows.t[:1])[0])) // q["timeframe"].ms
        lookback = max(lookback, of_session + 1)
    earlier = read_candles(context.redis, *asked, 0, first - 1, lookback)[0] if lookback else rows[:0]
    return rows_with(rows, _columns(earlier, rows, chosen, q["converged"] == "1"))


def _columns(earlier: Candles, rows: Candles, chosen: list[Chosen], converged: bool) -> dict[str, Sequence[Any]]:
    """A column for each output, of as many values as `rows`."""
    fields = np.concatenate([earlier.fields, rows.fields], axis=1)
    # In ticks, which are whole: so the sums are exact, and do not depend on where the series began.
    inputs: dict[str, Any] = {
        name: fields[i] for name, i in (("open", OPEN), ("high", HIGH), ("low", LOW), ("close", CLOSE))
    }
    t = np.concatenate([earlier.t, rows.t])
    inputs["volume"] = fields[VOLUME]
    inputs["notional"] = np.where(fields[NOTIONAL] >= 0, fields[NOTIONAL], np.nan)
    inputs["session"] = day_starts(t)
    inputs["clock"] = t - inputs["session"]
    columns: dict[str, Sequence[Any]] = {}
    for one in chosen:
        outputs = one.outputs
        for name, values in one.compute(inputs).items():
            columns[name] = rounded(values[len(earlier) :] / (SCALE if outputs[name].unit == PRICE else 1), 10)
        if converged:
            columns[f"{one.name}_converged"] = one.converged(inputs)[len(earlier) :].tolist()
    return columns


def velocity(context: Context, q: p.Query) -> Any:
    symbols, start, end = q["symbol"], q["from"], q["to"]
    limit = share(q["limit"], len(symbols))
    lag_s = context.config.velocity_window_s + context.config.velocity_max_age_s
    first = max(0, start - lag_s * 1000)
    # Closes are a second apart or more: so many before the first row reach back far enough for its reference.
    series = read_closes(context.redis, symbols, first, end, limit + lag_s + 1)
    bases = _previous_closes(context, symbols, series)
    parts = []
    for closes, base in zip(series, bases, strict=True):
        values = velocity_series(
            closes.t, closes.v, context.config.velocity_window_s * 1000, context.config.velocity_max_age_s * 1000, base
        )
        parts.append(_velocity_rows(closes, values, start, limit))
    return _by_symbol(q, parts)


def _velocity_rows(closes: Samples, values: Values, start: int, limit: int) -> list[VelocityAt]:
    wanted = (closes.t >= start) & ~np.isnan(values)
    times, shown = closes.t[wanted][-limit:].tolist(), rounded(values[wanted][-limit:])
    return list(map(VelocityAt, times, shown))


def _previous_closes(context: Context, symbols: list[str], series: list[Samples]) -> list[Values | None]:
    """For each symbol the previous day's close at each of its bars, in ticks, NaN where the detector knew none."""
    if context.config.velocity_base != "previous_close":
        return [None] * len(series)
    starts = [day_starts(closes.t) for closes in series]
    days = np.unique(np.concatenate(starts)).tolist()
    known = read_previous_closes(context.redis, [day_of(day).date for day in days], symbols) if days else []
    bases: list[Values | None] = []
    for symbol, begin in zip(symbols, starts, strict=True):
        of_day = np.array([closes.get(symbol, np.nan) * SCALE for closes in known])
        bases.append(of_day[np.searchsorted(days, begin)] if len(begin) else None)
    return bases


def _by_symbol(q: p.Query, parts: Sequence[Sequence[Candle | VelocityAt]]) -> Sequence[Candle | VelocityAt]:
    """One symbol's rows as they are, several symbols' (and one's that is to be labelled) with a column for it."""
    symbols = q["symbol"]
    plain = len(symbols) == 1 and q["labels"] == "0"
    return parts[0] if plain else merged(list(zip(symbols, parts, strict=True)))


_NAMES = p.Parameter(
    "names",
    f"Comma list of up to {MAX_NAMES} of: " + ", ".join(f"`{usage(name)}`" for name in INDICATORS) + "; "
    "`fast=sma:20` calls its column `fast`.",
    parse_names,
    required=True,
    example="sma:20,ema:50",
)
_CONVERGED = p.choice(
    "converged", "`1` adds `<name>_converged`: whether enough earlier candles went into the value.", ("0", "1"), "0"
)
_LABELS = p.choice("labels", "`1`: rows carry `symbol` also where only one was asked for.", ("0", "1"), "0")

ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/candles",
        candles,
        "Candles of a symbol, or of several",
        schemas.rows(schemas.record(schemas.CANDLE_MEMBERS, schemas.SYMBOL_OF_LIST)),
        (p.symbols(), p.timeframe(), *p.span(), p.limit(MAX_ROWS, MAX_ROWS, _LIMIT_TEXT), _LABELS),
        "Those whose start lies in `from`..`to`, whole and ascending, the running one included; "
        "none where nothing traded. Timeframes that are not stored are made of the coarsest stored one that fits.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/indicators",
        indicators,
        "Candles with indicators",
        schemas.rows(schemas.record(schemas.CANDLE_MEMBERS, more={"type": ["number", "boolean", "null"]})),
        (p.symbol(), p.timeframe(), _NAMES, *p.span(), p.limit(MAX_ROWS, MAX_ROWS), _CONVERGED),
        "The candles of `/candles`, with a column for each output, named by the request with underscores: `sma_20`. "
        "Enough earlier candles are read for values not to depend on `from`; null where there are too few.",
        "charts",
    ),
    Endpoint(
        f"{PREFIX}/velocity",
        velocity,
        "Velocity of a symbol, or of several",
        schemas.rows(schemas.record({"t": schemas.TIME, "velocity": schemas.NUMBER}, schemas.SYMBOL_OF_LIST)),
        (p.symbols(), *p.span(), p.limit(MAX_VELOCITY_ROWS, MAX_VELOCITY_ROWS, _LIMIT_TEXT), _LABELS),
        "At each second bar the change of the close over the detector's window, in percent of the previous day's close "
        "(of the window's start where that is not known or not the base). Bars without a reference are left out.",
        "charts",
    ),
)
