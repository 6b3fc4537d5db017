"""Candles of symbols, and their velocity."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from msgspec import Meta, field

from indicators.velocity_series import velocity_series
from redis_functions.read.ranges import Samples, Times, Values
from redis_functions.read.reader import read_candles, read_closes
from rest_bridge import parameters as p
from rest_bridge.auto_timeframe import timeframe_for, timeframe_header
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Page
from rest_bridge.previous_close import previous_closes_at
from rest_bridge.rows import Candle, VelocityAt, by_symbol, candle_rows, rounded

MAX_ROWS = 5_000
#: Two hours of seconds and more: what the store keeps of them by default.
MAX_VELOCITY_ROWS = 10_000
#: Rows of a list of symbols in all: each symbol gets an equal share of them, if that is less than `limit`.
MAX_ROWS_TOGETHER = 50_000

LIMIT_TEXT = (
    "The newest so many rows; of each symbol where there are several, but not more than "
    f"{MAX_ROWS_TOGETHER:,} by the number of symbols."
)


def share(limit: int, symbols: int) -> int:
    """Rows that each of so many symbols may have."""
    return min(limit, MAX_ROWS_TOGETHER // symbols)


class CandlesQuery(p.Parameters):
    symbol: p.Symbols
    timeframe: p.Timeframe = p.MINUTE
    points: p.Points = p.POINTS
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_ROWS, description=LIMIT_TEXT)] = MAX_ROWS
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * share(self.limit, len(self.symbol))


class VelocityQuery(p.Parameters):
    symbol: p.Symbols
    from_: p.From = field(name="from", default=0)
    to: p.To = p.MAX_INTEGER
    limit: Annotated[int, Meta(ge=1, le=MAX_VELOCITY_ROWS, description=LIMIT_TEXT)] = MAX_VELOCITY_ROWS
    labels: p.Labels = False

    def rows(self) -> int:
        return len(self.symbol) * share(self.limit, len(self.symbol))


def candles(context: Context, q: CandlesQuery) -> Page[Candle]:
    symbols = q.symbol
    limit = share(q.limit, len(symbols))
    timeframe = timeframe_for(context.redis, q, symbols)
    found = read_candles(context.redis, symbols, timeframe, q.from_, q.to, limit)
    return Page(
        by_symbol(symbols, [candle_rows(part) for part in found], labels=q.labels), timeframe_header(q, timeframe)
    )


def velocity(context: Context, q: VelocityQuery) -> list[VelocityAt]:
    return by_symbol(q.symbol, velocity_parts(context, q), labels=q.labels)


def velocity_parts(context: Context, q: VelocityQuery) -> list[list[VelocityAt]]:
    """The rows of each symbol."""
    limit = share(q.limit, len(q.symbol))
    return [
        list(map(VelocityAt, times[-limit:].tolist(), rounded(values[-limit:])))
        for times, values in velocities(context, q.symbol, q.from_, q.to, limit)
    ]


def velocities(context: Context, symbols: list[str], start: int, end: int, limit: int) -> list[tuple[Times, Values]]:
    """For each symbol times and velocity in percent at its bars from `start` to `end`, those without a reference left out;
    of longer ranges at least the newest `limit`."""
    lag_s = context.config.velocity_window_s + context.config.velocity_max_age_s
    first = max(0, start - lag_s * 1000)
    # Closes are a second apart or more: so many before the first row reach back far enough for its reference.
    series = read_closes(context.redis, symbols, first, end, limit + lag_s + 1)
    found = []
    for closes, base in zip(series, _previous_closes(context, symbols, series), strict=True):
        values = velocity_series(
            closes.t, closes.v, context.config.velocity_window_s * 1000, context.config.velocity_max_age_s * 1000, base
        )
        known = (closes.t >= start) & ~np.isnan(values)
        found.append((closes.t[known], values[known]))
    return found


def _previous_closes(context: Context, symbols: list[str], series: list[Samples]) -> list[Values | None]:
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
