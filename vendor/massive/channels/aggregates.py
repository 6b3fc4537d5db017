"""Channels `A` and `AM`: the vendor's own bars of a second and of a minute.

``{"ev":"A","sym":"SPCE","v":200,"dv":"200.0","av":8642007,"op":25.66,"vw":25.3981,"o":25.39,"c":25.39,"h":25.39,"l":25.39,
"a":25.3714,"z":50,"s":1610144868000,"e":1610144869000}``; `s` is the start. `AM` has the same shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.limits import MAX_NOTIONAL, MAX_PRICE, MAX_TIME, MAX_VOLUME, MIN_PRICE, are_prices, is_volume
from market.price import SCALE, notional, ticks
from market.price_arrays import notionals_of, ticks_of
from vendor.interface import Decoded
from vendor.massive.channels import columns
from vendor.massive.channels.channel import (
    Channel,
    Unusable,
    check_symbol,
    decimal,
    epoch_ms,
    number,
    optional,
    text,
    whole,
)  # fmt: skip
from vendor.massive.channels.sizes import exact_size


class Aggregate(msgspec.Struct, tag_field="ev", tag="A", gc=False):
    """The fields of a second bar that are used."""

    sym: str
    v: float
    o: float
    c: float
    h: float
    l: float  # noqa: E741 - the vendor's name
    s: int
    vw: float | None = None
    dv: str | None = None
    av: float | None = None


class MinuteAggregate(Aggregate, tag="AM"):
    """A minute bar."""


def read(event: dict[str, Any]) -> Aggregate:
    """An aggregate in any spelling of its numbers; a missing start is reckoned from the end."""
    exact = decimal(event, "dv")
    volume = number(event, "v", float(exact) if exact else None)
    if event.get("s") is not None:
        start = whole(event, "s")
    else:
        start = epoch_ms(whole(event, "e")) - (MINUTE_MS if event["ev"] == "AM" else SECOND_MS)
    o, h, low, c = (number(event, name) for name in "ohlc")
    return Aggregate(
        sym=text(event, "sym"), v=volume, o=o, c=c, h=h, l=low, s=start,
        vw=optional(event, "vw"), dv=exact, av=optional(event, "av"),
    )  # fmt: skip


def bar_of(e: Aggregate, span: int) -> Bar:
    """One bar. Raises Unusable."""
    check_symbol(e.sym)
    t = epoch_ms(e.s)
    if not span <= t < MAX_TIME:
        raise Unusable("bad_time")
    volume = exact_size(e.v, e.dv)
    if not are_prices(e.o, e.h, e.l, e.c):
        raise Unusable("bad_price")
    money: int | None = None
    if e.vw is not None and 0.0 < e.vw < MAX_PRICE:
        money = notional(e.vw, volume)
        if money >= MAX_NOTIONAL:
            raise Unusable("bad_price")
    av = e.av if e.av is not None and is_volume(e.av) else None
    return Bar(e.sym, t - t % span, ticks(e.o), ticks(e.h), ticks(e.l), ticks(e.c), volume, money, span, av)


def bars_of(events: Sequence[Any], span: int) -> list[Bar] | None:
    """The bars of `A` or `AM` events, `span` ms long; None where one is not ordinary."""
    symbols = columns.symbols_of([e.sym for e in events])
    t = columns.times([e.s for e in events], span)
    volume = columns.sizes([e.v for e in events], [e.dv for e in events])
    if symbols is None or t is None or volume is None:
        return None
    o, h, low, c, vw, av = (
        np.array(column, np.float64)  # None becomes NaN
        for column in (
            [e.o for e in events], [e.h for e in events], [e.l for e in events], [e.c for e in events],
            [e.vw for e in events], [e.av for e in events],
        )
    )  # fmt: skip
    # NaN and disorder make a comparison false.
    priced = (low > MIN_PRICE) & (low <= o) & (o <= h) & (low <= c) & (c <= h) & (h < MAX_PRICE)
    valued = (vw > 0.0) & (vw < MAX_PRICE)
    vw[~valued] = 0.0
    if not priced.all() or not (vw * volume * SCALE < MAX_NOTIONAL).all():
        return None
    day_known = (av >= 0.0) & (av < MAX_VOLUME)
    return list(
        map(
            Bar._make,
            zip(
                symbols, (t - t % span).tolist(), ticks_of(o).tolist(), ticks_of(h).tolist(), ticks_of(low).tolist(),
                ticks_of(c).tolist(), columns.numbers(volume), columns.where(notionals_of(vw, volume), valued),
                [span] * len(events), columns.where(av, day_known), strict=True,
            ),
        )
    )  # fmt: skip


def _take_second(event: Any, out: Decoded) -> None:
    out.bars.append(bar_of(event, SECOND_MS))


def _take_seconds(events: Sequence[Any], out: Decoded) -> bool:
    bars = bars_of(events, SECOND_MS)
    if bars is not None:
        out.bars = bars
    return bars is not None


def _take_minute(event: Any, out: Decoded) -> None:
    out.minutes.append(bar_of(event, MINUTE_MS))


def _take_minutes(events: Sequence[Any], out: Decoded) -> bool:
    bars = bars_of(events, MINUTE_MS)
    if bars is not None:
        out.minutes = bars
    return bars is not None


SECONDS = Channel("A", Aggregate, read, _take_second, _take_seconds, time="s")
MINUTES = Channel("AM", MinuteAggregate, read, _take_minute, _take_minutes, time="s")
