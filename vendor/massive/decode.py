"""From a frame's bytes to records: bars, trades, halts and status messages. No I/O, no clock.

An event that cannot be used is counted by reason and set aside; it never costs its neighbours. The ordinary frame is decoded
in one typed pass, and its events are taken by columns; one that is not ordinary is looked at event by event, and one that is
not typed with numbers in any of their spellings.

>>> decode(b'[{"ev":"A","sym":"SPCE","v":200,"vw":25.3981,"o":25.39,"c":25.39,"h":25.39,"l":25.39,"s":1610144868000}]').bars
[Bar(sym='SPCE', t=1610144868000, o=253900, h=253900, l=253900, c=253900, v=200, n=50796200, span=1000, av=None)]
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from market.bar import MINUTE_MS, SECOND_MS, Bar, Trade
from market.limits import MAX_NOTIONAL, MAX_PRICE, MAX_TIME, MAX_VOLUME, MIN_PRICE
from market.price import SCALE, notional, ticks
from market.symbols import is_symbol
from vendor.massive.columns import bars_of, print_key, trades_of

#: LULD indicators that say a symbol's trading stops or goes on (sent for Nasdaq-listed symbols only).
HALTED, RESUMED = 17, 18


class Status(NamedTuple):
    """A status message of the server: `word` such as auth_success, and its text verbatim."""

    word: str
    message: str


class Halt(NamedTuple):
    """Trading of a symbol stopped or goes on, from the LULD channel."""

    sym: str
    t: int
    halted: bool


class Decoded:
    """What a frame held. `set_aside` counts what could not be used, by reason; `bands` price bands that say nothing of a
    halt; `events` counts all, each of which is in exactly one of the others; what is no JSON counts as one."""

    __slots__ = ("bands", "bars", "events", "halts", "minutes", "set_aside", "statuses", "trades")

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.minutes: list[Bar] = []
        self.trades: list[Trade] = []
        self.halts: list[Halt] = []
        self.statuses: list[Status] = []
        self.set_aside: Counter[str] = Counter()
        self.bands = 0
        self.events = 0


class Unusable(Exception):
    """One event cannot be used; the text is the reason it is counted under."""


class _Aggregate(msgspec.Struct, tag_field="ev", tag="A", gc=False):
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


class _MinuteAggregate(_Aggregate, tag="AM"):
    pass


class _Trade(msgspec.Struct, tag_field="ev", tag="T", gc=False):
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


class _Status(msgspec.Struct, tag_field="ev", tag="status"):
    status: str
    message: str = ""


class _Luld(msgspec.Struct, tag_field="ev", tag="LULD"):
    T: str
    t: int
    i: tuple[int, ...] = ()


_Event = _Aggregate | _MinuteAggregate | _Trade | _Status | _Luld
_typed = msgspec.json.Decoder(list[_Event])
_loose = msgspec.json.Decoder()


def epoch_ms(stamp: int) -> int:
    """A timestamp in ms, whichever of ms, µs or ns it came in: told by its size."""
    if stamp < MAX_TIME:
        return stamp
    if stamp < 100_000_000_000_000_000:
        return stamp // 1_000
    return stamp // 1_000_000


def decode(frame: bytes) -> Decoded:
    """All that `frame` holds; never raises for what the frame says."""
    out = Decoded()
    try:
        events: list[_Event] = _typed.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        _decode_loosely(frame, out)
        return out
    out.events = len(events)
    kinds = set(map(type, events))
    for kind in kinds:
        _take(kind, events if len(kinds) == 1 else [event for event in events if type(event) is kind], out)
    return out


def _take(kind: type, events: Sequence[Any], out: Decoded) -> None:
    """Takes typed events of one kind: all at once where that is possible."""
    if kind is _Aggregate and (bars := bars_of(events, SECOND_MS)) is not None:
        out.bars = bars
    elif kind is _MinuteAggregate and (bars := bars_of(events, MINUTE_MS)) is not None:
        out.minutes = bars
    elif kind is _Trade and (trades := trades_of(events)) is not None:
        out.trades = trades
    else:
        for event in events:
            _take_one(kind, event, out)


def _take_one(kind: type, event: Any, out: Decoded) -> None:
    try:
        _TAKE[kind](event, out)
    except Unusable as reason:
        out.set_aside[str(reason)] += 1


def _decode_loosely(frame: bytes, out: Decoded) -> None:
    try:
        content = _loose.decode(frame)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        out.set_aside["not_json"] += 1
        out.events = 1
        return
    events = content if isinstance(content, list) else [content]
    out.events = len(events)
    for event in events:
        try:
            if not isinstance(event, dict):
                raise Unusable("not_an_event")
            kind = _KINDS.get(str(event.get("ev")))
            if kind is None:
                raise Unusable("other_channel" if "ev" in event else "not_an_event")
            struct, read = kind
            _TAKE[struct](read(event), out)
        except Unusable as reason:
            out.set_aside[str(reason)] += 1


# --- one by one: typed events to records


def _take_second(event: Any, out: Decoded) -> None:
    out.bars.append(_bar(event, SECOND_MS))


def _take_minute(event: Any, out: Decoded) -> None:
    out.minutes.append(_bar(event, MINUTE_MS))


def _bar(e: _Aggregate, span: int) -> Bar:
    if not is_symbol(e.sym):
        raise Unusable("bad_symbol")
    t = epoch_ms(e.s)
    if not span <= t < MAX_TIME:
        raise Unusable("bad_time")
    volume = _size(e.v, e.dv)
    high, low = e.h, e.l
    # One chain finds every bad price: NaN and disorder make a comparison false.
    if not (MIN_PRICE < low <= e.o <= high and low <= e.c <= high < MAX_PRICE):
        raise Unusable("bad_price")
    money: int | None = None
    if e.vw is not None and 0.0 < e.vw < MAX_PRICE:
        money = notional(e.vw, volume)
        if money >= MAX_NOTIONAL:
            raise Unusable("bad_price")
    av = e.av if e.av is not None and 0.0 <= e.av < math.inf else None
    return Bar(e.sym, t - t % span, ticks(e.o), ticks(high), ticks(low), ticks(e.c), volume, money, span, av)


def _size(plain: float, decimal: str | None) -> float:
    """The volume; the decimal text is the vendor's exact one, unless it is no number. Whole numbers become int, which the
    store keeps shorter."""
    volume = plain
    if decimal:
        try:
            exact = float(decimal)
        except ValueError:
            exact = math.nan
        if math.isfinite(exact):
            volume = exact
    if not 0.0 <= volume < MAX_VOLUME:
        raise Unusable("bad_volume")
    whole = int(volume)
    return whole if whole == volume else volume


def _take_trade(e: Any, out: Decoded) -> None:
    if not is_symbol(e.sym):
        raise Unusable("bad_symbol")
    t = epoch_ms(e.t)
    if not 0 < t < MAX_TIME:
        raise Unusable("bad_time")
    size = _size(e.s, e.ds)
    if not MIN_PRICE < e.p < MAX_PRICE or e.p * size * SCALE >= MAX_NOTIONAL:
        raise Unusable("bad_price")
    out.trades.append(Trade(e.sym, t, e.p, size, e.c, e.q, print_key(e)))


def _take_status(event: Any, out: Decoded) -> None:
    out.statuses.append(Status(event.status, event.message))


def _take_luld(event: Any, out: Decoded) -> None:
    if not is_symbol(event.T):
        raise Unusable("bad_symbol")
    t = epoch_ms(event.t)
    if not 0 < t < MAX_TIME:
        raise Unusable("bad_time")
    words = [indicator for indicator in event.i if indicator in (HALTED, RESUMED)]
    if words:
        out.halts.append(Halt(event.T, t, words[-1] == HALTED))
    else:
        out.bands += 1


_TAKE: dict[type, Callable[[Any, Decoded], None]] = {
    _Aggregate: _take_second,
    _MinuteAggregate: _take_minute,
    _Trade: _take_trade,
    _Status: _take_status,
    _Luld: _take_luld,
}


# --- the loose path: one event of any spelling to the same typed structs


def _number(event: dict[str, Any], name: str, default: float | None = None) -> float:
    value = event.get(name)
    if value is None or value == "":
        if default is None:
            raise Unusable("missing_field")
        return default
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable("bad_number")
    try:
        number = float(value)
    except (ValueError, OverflowError):
        raise Unusable("bad_number") from None
    if not math.isfinite(number):
        raise Unusable("bad_number")
    return number


def _whole(event: dict[str, Any], name: str, default: int | None = None) -> int:
    value = event.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(_number(event, name, default))


def _whole_or_none(event: dict[str, Any], name: str) -> int | None:
    return None if event.get(name) is None else _whole(event, name)


def _text(event: dict[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str):
        raise Unusable("missing_field" if value is None else "bad_symbol")
    return value


def _numbers(event: dict[str, Any], name: str) -> tuple[int, ...]:
    value = event.get(name)
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(_whole({"x": item}, "x") for item in items)


def _optional(event: dict[str, Any], name: str) -> float | None:
    try:
        return _number(event, name)
    except Unusable:
        return None


def _decimal(event: dict[str, Any], name: str) -> str | None:
    value = _optional(event, name)
    return None if value is None else repr(value)


def _read_aggregate(event: dict[str, Any]) -> _Aggregate:
    span = MINUTE_MS if event["ev"] == "AM" else SECOND_MS
    decimal = _decimal(event, "dv")
    volume = _number(event, "v", float(decimal) if decimal else None)
    start = _whole(event, "s") if event.get("s") is not None else epoch_ms(_whole(event, "e")) - span
    o, h, low, c = (_number(event, name) for name in "ohlc")
    return _Aggregate(
        sym=_text(event, "sym"), v=volume, o=o, c=c, h=h, l=low, s=start,
        vw=_optional(event, "vw"), dv=decimal, av=_optional(event, "av"),
    )  # fmt: skip


def _read_trade(event: dict[str, Any]) -> _Trade:
    identity = event.get("i")
    decimal = _decimal(event, "ds")
    return _Trade(
        sym=_text(event, "sym"), p=_number(event, "p"), s=_number(event, "s", float(decimal) if decimal else None),
        t=_whole(event, "t"), c=_numbers(event, "c"), q=_whole(event, "q", 0),
        i=None if identity is None else str(identity), x=_whole_or_none(event, "x"), z=_whole_or_none(event, "z"),
        trfi=_whole_or_none(event, "trfi"), ds=decimal,
    )  # fmt: skip


def _read_status(event: dict[str, Any]) -> _Status:
    return _Status(str(event.get("status", "")), str(event.get("message", "")))


def _read_luld(event: dict[str, Any]) -> _Luld:
    return _Luld(_text(event, "T"), _whole(event, "t"), _numbers(event, "i"))


_KINDS: dict[str, tuple[type, Callable[[dict[str, Any]], Any]]] = {
    "A": (_Aggregate, _read_aggregate),
    "AM": (_MinuteAggregate, _read_aggregate),
    "T": (_Trade, _read_trade),
    "status": (_Status, _read_status),
    "LULD": (_Luld, _read_luld),
}
