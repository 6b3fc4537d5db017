"""Channel `T`: the prints of the tape.

``{"ev":"T","sym":"MSFT","x":4,"i":"12345","z":3,"p":114.125,"s":100,"ds":"100.0","c":[0,12],"t":1536036818784,"q":3681328}``;
`x` exchange, `z` tape, `trfi` trade reporting facility, `c` sale conditions (absent when there are none).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from market.bar import Trade
from market.limits import MAX_NOTIONAL, MAX_PRICE, MAX_TIME, MIN_PRICE
from market.price import SCALE
from vendor.interface import Decoded
from vendor.massive.channels import columns
from vendor.massive.channels.channel import (
    Channel,
    Unusable,
    check_symbol,
    decimal,
    epoch_ms,
    number,
    text,
    whole,
    whole_or_none,
    wholes,
)  # fmt: skip
from vendor.massive.channels.sizes import exact_size


class Print(msgspec.Struct, tag_field="ev", tag="T", gc=False):
    """The fields of a print that are used."""

    sym: str
    p: float
    s: float
    t: int
    c: tuple[int, ...] = ()
    q: int = 0
    i: str | None = None
    x: int | None = None
    z: int | None = None
    trfi: int | None = None
    ds: str | None = None


def read(event: dict[str, Any]) -> Print:
    """A print in any spelling of its numbers."""
    identity = event.get("i")
    exact = decimal(event, "ds")
    return Print(
        sym=text(event, "sym"), p=number(event, "p"), s=number(event, "s", float(exact) if exact else None),
        t=whole(event, "t"), c=wholes(event, "c"), q=whole(event, "q", 0),
        i=None if identity is None else str(identity), x=whole_or_none(event, "x"), z=whole_or_none(event, "z"),
        trfi=whole_or_none(event, "trfi"), ds=exact,
    )  # fmt: skip


def print_key(event: Any) -> int | None:
    """What identifies a print among its symbol's of the day: its id at its exchange, else its sequence number on its tape."""
    if event.i:
        return hash((event.x, event.trfi, event.i))
    return hash((event.z, event.q)) if event.q else None


def _take(e: Any, out: Decoded) -> None:
    check_symbol(e.sym)
    t = epoch_ms(e.t)
    if not 0 < t < MAX_TIME:
        raise Unusable("bad_time")
    size = exact_size(e.s, e.ds)
    if not MIN_PRICE < e.p < MAX_PRICE or e.p * size * SCALE >= MAX_NOTIONAL:
        raise Unusable("bad_price")
    out.trades.append(Trade(e.sym, t, e.p, size, e.c, e.q, print_key(e)))


def trades_of(events: Sequence[Any]) -> list[Trade] | None:
    """The prints of `T` events; None where one is not ordinary."""
    symbols = columns.symbols_of([e.sym for e in events])
    t = columns.times([e.t for e in events], 1)
    size = columns.sizes([e.s for e in events], [e.ds for e in events])
    if symbols is None or t is None or size is None:
        return None
    prices = [e.p for e in events]
    price = np.array(prices, np.float64)
    if not ((price > MIN_PRICE) & (price < MAX_PRICE)).all() or not (price * size * SCALE < MAX_NOTIONAL).all():
        return None
    keys = [print_key(e) for e in events]
    sequence = [e.q for e in events]
    conditions = [e.c for e in events]
    return list(
        map(
            Trade._make,
            zip(symbols, t.tolist(), prices, columns.numbers(size), conditions, sequence, keys, strict=True),
        )
    )


def _take_many(events: Sequence[Any], out: Decoded) -> bool:
    trades = trades_of(events)
    if trades is not None:
        out.trades = trades
    return trades is not None


TRADES = Channel("T", Print, read, _take, _take_many)
