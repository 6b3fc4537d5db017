"""A bar on its way out: the TS.MADD that stores it and the JSON that tells it."""

from __future__ import annotations

from functools import lru_cache

import msgspec

from market.bar import MINUTE_MS, Bar
from market.price import NO_NOTIONAL, SCALE, vwap
from redis_functions import keys


class _Told(msgspec.Struct, gc=False):
    sym: str
    t: int
    o: float | None
    h: float | None
    l: float | None  # noqa: E741 - the field's own name
    c: float | None
    v: float
    vw: float | None


_encode = msgspec.json.Encoder().encode


def bar_json(bar: Bar) -> bytes:
    """``{"sym","t","o","h","l","c","v","vw"}`` with real prices; a value that is not known is null."""
    sym, t, o, h, low, c, v, n, _, _ = bar
    return _encode(
        _Told(
            sym,
            t,
            None if o is None else o / SCALE,
            None if h is None else h / SCALE,
            None if low is None else low / SCALE,
            None if c is None else c / SCALE,
            v,
            vwap(n, v),
        )
    )


@lru_cache(maxsize=65_536)
def _fragments(symbol: str) -> tuple[str, ...]:
    """For each field the RESP words up to the timestamp: its key, ready to be followed by time and value."""
    parts = []
    for field in keys.FIELDS:
        key = keys.series(symbol, "1s", field)
        parts.append(f"${len(key.encode())}\r\n{key}\r\n")
    return tuple(parts)


def stored_time(bar: Bar) -> int:
    """The time of the bar's samples in the 1s series: its start, or the mark of a minute bar."""
    return bar.t + keys.MINUTE_MARK_MS if bar.span == MINUTE_MS else bar.t


def stored_notional(bar: Bar) -> int:
    """The notional to store: 0 without volume, NO_NOTIONAL where the source gives no VWAP."""
    if not bar.v:
        return 0
    return NO_NOTIONAL if bar.n is None else bar.n


def madd(bar: Bar) -> str:
    """The one TS.MADD that stores `bar`, as RESP text. Fields that are not set are left out."""
    time = str(stored_time(bar))
    stamp = f"${len(time)}\r\n{time}\r\n$"
    if bar.o is None or bar.h is None or bar.l is None or bar.c is None:
        return _partial(bar, stamp)
    ko, kh, kl, kc, kv, kn = _fragments(bar.sym)
    o, h, low, c = str(bar.o), str(bar.h), str(bar.l), str(bar.c)
    v, n = str(bar.v), str(stored_notional(bar))
    return (
        f"*19\r\n$7\r\nTS.MADD\r\n{ko}{stamp}{len(o)}\r\n{o}\r\n{kh}{stamp}{len(h)}\r\n{h}\r\n{kl}{stamp}{len(low)}\r\n{low}\r\n"
        f"{kc}{stamp}{len(c)}\r\n{c}\r\n{kv}{stamp}{len(v)}\r\n{v}\r\n{kn}{stamp}{len(n)}\r\n{n}\r\n"
    )


def _partial(bar: Bar, stamp: str) -> str:
    values = (bar.o, bar.h, bar.l, bar.c, bar.v, stored_notional(bar))
    parts = [
        f"{key}{stamp}{len(str(value))}\r\n{value}\r\n"
        for key, value in zip(_fragments(bar.sym), values, strict=True)
        if value is not None
    ]
    return f"*{1 + 3 * len(parts)}\r\n$7\r\nTS.MADD\r\n{''.join(parts)}"
