"""The quick way from a frame's typed events to records: checked and rounded by columns, all events of a kind at once.

An event costs half of what it does one by one. Where any event is not ordinary (about to be set aside, or with a time that is
not in ms) the answer is None, and each is looked at by itself; the records are the same either way.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.bar import Bar, Trade
from market.limits import MAX_NOTIONAL, MAX_PRICE, MAX_TIME, MAX_VOLUME, MIN_PRICE
from market.price import SCALE
from market.price_arrays import notionals_of, ticks_of
from market.symbols import is_symbol

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Far more than a market has: a feed with more is making them up.
_MOST_SYMBOLS = 1 << 17

#: Every symbol that passed: one look-up says that it is good, and answers the one string that all its records share, so
#: that its hash is known from then on.
_symbols: dict[str, str] = {}


def bars_of(events: Sequence[Any], span: int) -> list[Bar] | None:
    """The bars of `A` or `AM` events, `span` ms long; None where one is not ordinary."""
    symbols = _symbols_of([e.sym for e in events])
    t = _times([e.s for e in events], span)
    volume = _sizes([e.v for e in events], [e.dv for e in events])
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
    told = (av >= 0.0) & (av < np.inf)
    return list(
        map(
            Bar._make,
            zip(
                symbols, (t - t % span).tolist(), ticks_of(o).tolist(), ticks_of(h).tolist(), ticks_of(low).tolist(),
                ticks_of(c).tolist(), _numbers(volume), _where(notionals_of(vw, volume), valued), [span] * len(events),
                _where(av, told), strict=True,
            ),
        )
    )  # fmt: skip


def trades_of(events: Sequence[Any]) -> list[Trade] | None:
    """The prints of `T` events; None where one is not ordinary."""
    symbols = _symbols_of([e.sym for e in events])
    t = _times([e.t for e in events], 1)
    size = _sizes([e.s for e in events], [e.ds for e in events])
    if symbols is None or t is None or size is None:
        return None
    told = [e.p for e in events]
    price = np.array(told, np.float64)
    if not ((price > MIN_PRICE) & (price < MAX_PRICE)).all() or not (price * size * SCALE < MAX_NOTIONAL).all():
        return None
    keys = [print_key(e) for e in events]
    sequence = [e.q for e in events]
    conditions = [e.c for e in events]
    return list(
        map(Trade._make, zip(symbols, t.tolist(), told, _numbers(size), conditions, sequence, keys, strict=True))
    )


def print_key(event: Any) -> int | None:
    """What tells a print from its symbol's others of the day: its id at its exchange, else its sequence number on its tape."""
    if event.i:
        return hash((event.x, event.trfi, event.i))
    return hash((event.z, event.q)) if event.q else None


def _symbols_of(names: list[str]) -> list[str] | None:
    known: list[Any] = list(map(_symbols.get, names))
    if None not in known:
        return known
    if len(_symbols) > _MOST_SYMBOLS:
        _symbols.clear()
    for name in names:
        if is_symbol(name):
            _symbols.setdefault(name, name)
    known = list(map(_symbols.get, names))
    return None if None in known else known


def _times(stamps: list[int], least: int) -> Ints | None:
    try:
        t = np.array(stamps, np.int64)
    except OverflowError:
        return None
    return t if ((t >= least) & (t < MAX_TIME)).all() else None


def _sizes(plain: list[float], decimals: list[str | None]) -> Floats | None:
    """The sizes by their exact decimal text where there is one."""
    try:
        told = list(map(float, decimals)) if all(decimals) else [  # type: ignore[arg-type]
            float(text) if text else number for text, number in zip(decimals, plain, strict=True)
        ]  # fmt: skip
    except ValueError:
        return None
    sizes = np.array(told, np.float64)
    return sizes if ((sizes >= 0.0) & (sizes < MAX_VOLUME)).all() else None


def _numbers(sizes: Floats) -> list[float]:
    """Whole numbers as ints, which the store keeps shorter."""
    whole = sizes.astype(np.int64)
    if (whole == sizes).all():
        return list(whole.tolist())
    return [i if i == x else x for i, x in zip(whole.tolist(), sizes.tolist(), strict=True)]


def _where(values: NDArray[Any], known: NDArray[np.bool_]) -> list[Any]:
    """The values, None where they are not known."""
    if known.all():
        return list(values.tolist())
    return [value if is_known else None for value, is_known in zip(values.tolist(), known.tolist(), strict=True)]
