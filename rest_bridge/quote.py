"""What a trader looks at first: last price, change, the day's range, volume, VWAP and velocity of symbols."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, NamedTuple

from msgspec import Meta

from market.price import SCALE
from market.sessions import day_of
from market.timeframes import parse
from redis_functions.read.market import read_halted, read_movers, read_previous_closes
from redis_functions.read.reader import read_candles
from rest_bridge import parameters as p
from rest_bridge.answers import Answer
from rest_bridge.charts import VelocityQuery, read_velocity
from rest_bridge.endpoint import PREFIX, Context, Endpoint
from rest_bridge.page import Tabular
from rest_bridge.rows import candle_columns


class _Day(NamedTuple):
    """A candle of a day."""

    t: Any
    o: Any
    h: Any
    low: Any
    c: Any
    v: Any
    vw: Any


_DAY, _MINUTE = parse("1d"), parse("1m")


class QuoteQuery(Tabular, kw_only=True):
    symbol: p.Symbols


class Quote(Answer):
    symbol: str
    last: Annotated[float, Meta(description="price of the last bar")]
    t: Annotated[
        int, Meta(description="start of the last bar, epoch milliseconds UTC; all else is of its New York day")
    ]
    previous_close: Annotated[float | None, Meta(description="the close before that day")]
    change_money: Annotated[float | None, Meta(description="against the previous close")]
    change: Annotated[float | None, Meta(description="against the previous close, percent")]
    open: float
    high: float
    low: float
    volume: Annotated[float, Meta(ge=0)]
    vwap: Annotated[float | None, Meta(description="volume-weighted average price of the day")]
    velocity: Annotated[
        float | None, Meta(description="percent over the detector's window; null once the bar is older")
    ]
    halted: Annotated[bool, Meta(description="whether trading is halted")]


def quote(context: Context, q: QuoteQuery) -> list[Quote]:
    traded = _days(context, q.symbol)
    if not traded:
        return []
    symbols = list(traded)
    last = _last_bars(context, symbols)
    velocities = _velocities(context, symbols)
    previous = _previous_closes(context, traded)
    halted = read_halted(context.redis, symbols)
    return [
        _quote(symbol, day, last.get(symbol, day.t), previous.get(symbol), velocities.get(symbol), symbol in halted)
        for symbol, day in traded.items()
    ]


def _days(context: Context, symbols: Sequence[str]) -> dict[str, _Day]:
    """The candle of each symbol's newest day; symbols without one are left out."""
    found = read_candles(context.redis, symbols, _DAY, 0, p.MAX_INTEGER, 1)
    return {
        symbol: _Day(*(column[-1] for column in candle_columns(part)))
        for symbol, part in zip(symbols, found, strict=True)
        if len(part)
    }


def _last_bars(context: Context, symbols: Sequence[str]) -> dict[str, int]:
    """When each symbol's last bar began: a second bar, or where only minutes come, a minute."""
    times: dict[str, int] = {}
    for timeframe in (_MINUTE, parse("1s")):
        found = read_candles(context.redis, symbols, timeframe, 0, p.MAX_INTEGER, 1, ("close",))
        for symbol, part in zip(symbols, found, strict=True):
            if len(part):
                times[symbol] = max(int(part.t[-1]), times.get(symbol, 0))
    return times


def _velocities(context: Context, symbols: Sequence[str]) -> dict[str, float | None]:
    """Of those whose last bar is not older than the detector's window, by the newest event of the market."""
    clock = int(read_movers(context.redis).get("t") or 0)
    newest = VelocityQuery(symbol=list(symbols), limit=1)
    parts = [found.rows for found in read_velocity(context, newest, symbols, 0, p.MAX_INTEGER)]
    oldest = clock - context.config.velocity_window_s * 1000
    return {s: part[-1].velocity for s, part in zip(symbols, parts, strict=True) if part and part[-1].t >= oldest}


def _previous_closes(context: Context, traded: dict[str, _Day]) -> dict[str, float]:
    symbols = list(traded)
    days = sorted({day.t for day in traded.values()})
    known = dict(
        zip(days, read_previous_closes(context.redis, [day_of(day).date for day in days], symbols), strict=True)
    )
    return {symbol: known[day.t][symbol] for symbol, day in traded.items() if symbol in known[day.t]}


def _quote(symbol: str, day: _Day, t: int, previous: float | None, velocity: float | None, halted: bool) -> Quote:
    money = change = None
    if previous is not None:
        # Both have four decimals: in ticks their difference is exact.
        money = (round(day.c * SCALE) - round(previous * SCALE)) / SCALE
        change = round(100 * (day.c / previous - 1), 4) + 0.0
    return Quote(
        symbol, day.c, t, previous, money, change, day.o, day.h, day.low, day.v, day.vw, velocity, halted
    )  # fmt: skip


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/quote",
        quote,
        "Last price, change and the day of symbols",
        "Of the New York day of each symbol's last bar, in the order asked for; a symbol never seen has no row.",
    ),
)
