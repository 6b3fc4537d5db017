"""From a frame's bytes to records: bars, trades, halts and status messages. No I/O, no clock.

An event that cannot be used is counted by reason and set aside; it never costs its neighbours. The ordinary frame is decoded
in one typed pass, and its events are taken by columns; one that is not ordinary is looked at event by event, one that is
not typed with numbers in any of their spellings, and one that is no JSON is cut into its events first.

>>> decode(b'[{"ev":"A","sym":"SPCE","v":200,"vw":25.3981,"o":25.39,"c":25.39,"h":25.39,"l":25.39,"s":1610144868000}]').bars
[Bar(sym='SPCE', t=1610144868000, o=253900, h=253900, l=253900, c=253900, v=200, n=50796200, span=1000, av=None)]
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import Any

import msgspec

from market.symbols import is_symbol
from vendor.interface import Decoded
from vendor.massive.channels import CHANNELS, Event
from vendor.massive.channels.channel import Channel, Unusable, epoch_ms, whole
from vendor.massive.salvage import events_of

_typed = msgspec.json.Decoder(list[Event])
_loose = msgspec.json.Decoder()
_BY_STRUCT: dict[type, Channel] = {channel.struct: channel for channel in CHANNELS.values()}
_NOT_JSON = (msgspec.DecodeError, RecursionError, UnicodeDecodeError)


def decode(frame: bytes) -> Decoded:
    """All that `frame` holds; never raises for its content."""
    out = Decoded()
    try:
        events: list[Event] = _typed.decode(frame)
    except _NOT_JSON:
        _decode_loosely(frame, out)
        return out
    out.events = len(events)
    kinds = set(map(type, events))
    for kind in kinds:
        of_kind = events if len(kinds) == 1 else [event for event in events if type(event) is kind]
        _take(_BY_STRUCT[kind], of_kind, out)
    return out


def keep(frame: bytes, symbols: Set[str]) -> bytes | None:
    """The events of these symbols in `frame`; None where there are none."""
    try:
        content = _loose.decode(frame)
    except _NOT_JSON:
        return None
    events = content if isinstance(content, list) else [content]
    kept = [event for event in events if isinstance(event, dict) and _is_of(event, symbols)]
    return msgspec.json.encode(kept) if kept else None


def _is_of(event: dict[str, Any], symbols: Set[str]) -> bool:
    channel = CHANNELS.get(str(event.get("ev")))
    symbol = event.get(channel.symbol) if channel is not None and channel.data else None
    return isinstance(symbol, str) and symbol in symbols


def _take(channel: Channel, events: Sequence[Any], out: Decoded) -> None:
    """Takes typed events of one channel: all at once where that is possible."""
    if channel.take_many is not None and channel.take_many(events, out):
        return
    for event in events:
        try:
            channel.take(event, out)
        except Unusable as reason:
            _set_aside(channel, msgspec.structs.asdict(event), str(reason), out)


# --- event by event, in any spelling


def _decode_loosely(frame: bytes, out: Decoded) -> None:
    try:
        content = _loose.decode(frame)
    except _NOT_JSON:
        _salvage(frame, out)
        return
    for event in content if isinstance(content, list) else [content]:
        _take_loosely(event, out)


def _salvage(frame: bytes, out: Decoded) -> None:
    """Takes each event of a frame that is no JSON as a whole: one value or one missing byte costs its own event only."""
    for event in events_of(frame):
        if event is None:
            out.events += 1
            out.lose("", None, "not_json")
        else:
            _take_loosely(event, out)


def _take_loosely(event: Any, out: Decoded) -> None:
    out.events += 1
    if not isinstance(event, dict) or "ev" not in event:
        out.set_aside["not_an_event"] += 1
        return
    channel = CHANNELS.get(str(event["ev"]))
    if channel is None:
        out.set_aside["other_channel"] += 1
        return
    try:
        channel.take(channel.read(event), out)
    except Unusable as reason:
        _set_aside(channel, event, str(reason), out)


def _set_aside(channel: Channel, event: dict[str, Any], reason: str, out: Decoded) -> None:
    if not channel.data:
        out.set_aside[reason] += 1
        return
    symbol = event.get(channel.symbol)
    known = isinstance(symbol, str) and is_symbol(symbol)
    out.lose(str(symbol) if known else "", _time(channel, event), reason)


def _time(channel: Channel, event: dict[str, Any]) -> int | None:
    """When it happened, epoch ms; None where that cannot be read."""
    try:
        stamp = whole(event, channel.time)
    except Unusable:
        return None
    return epoch_ms(stamp) if 0 < stamp < 2**63 else None
