"""Encoding of bars: the TS.MADD that stores one, the JSON that publishes it, and batches of both in RESP."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import compress
from typing import NamedTuple

import msgspec

from market.bar import MINUTE_MS, Bar
from market.price import NO_NOTIONAL, SCALE, vwap
from redis_functions.contract import keys
from redis_functions.contract.resp import encode
from redis_functions.contract.schema import FIELDS, MINUTE_MARK_MS, Schema, create_commands

#: No value of a sample is longer: prices and notionals are bounded where they are decoded, a double has 24 characters at most.
_LONGEST_VALUE = 31


class Packed(NamedTuple):
    """Commands as RESP, how many they are, and how many lines Redis answers when it refuses none (0: not known)."""

    payload: bytes
    commands: int
    lines: int


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
            vwap(n, v, low, h) or None,  # zero: less than half a tick, rounded
        )
    )


def stored_time(bar: Bar) -> int:
    """The time of the bar's samples in the 1s series: its start, or the mark of a minute bar."""
    return minute_mark(bar.t) if bar.span == MINUTE_MS else bar.t


def minute_mark(t: int) -> int:
    """The time of the sample by which a minute bar fills the minute that `t` lies in."""
    return t - t % MINUTE_MS + MINUTE_MARK_MS


def stored_notional(bar: Bar) -> int:
    """The notional to store: 0 without volume, NO_NOTIONAL where the source gives no VWAP."""
    if not bar.v:
        return 0
    return NO_NOTIONAL if bar.n is None else bar.n


# --- whole batches: half of what a bar costs the daemon was here, so what does not change from bar to bar is kept ready


class _Ready(NamedTuple):
    """What is the same in all commands for a symbol: everything but times, values and payloads."""

    madd: tuple[str, ...]  # up to the time, for each field
    latest: bytes  # up to the length of the payload
    channel: bytes


@lru_cache(maxsize=65_536)
def _ready(symbol: str) -> _Ready:
    words = [_word(keys.series(symbol, "1s", field)) for field in FIELDS]
    first = f"*{1 + 3 * len(words)}\r\n{_word('TS.MADD')}{words[0]}"
    return _Ready(
        (first, *(f"\r\n{word}" for word in words[1:])),
        _up_to_payload("SET", keys.latest(symbol)),
        _up_to_payload("PUBLISH", keys.channel_bars(symbol)),
    )


def _word(text: str) -> str:
    return f"${len(text.encode())}\r\n{text}\r\n"


def _up_to_payload(command: str, key: str) -> bytes:
    return f"*3\r\n{_word(command)}{_word(key)}$".encode()


_PUBLISH_ALL = _up_to_payload("PUBLISH", keys.CHANNEL_BARS)


@lru_cache(maxsize=256)
def _stamps(time: int) -> tuple[str, ...]:
    """For every length of a value, what stands between a key and it: the time and the length."""
    return tuple(f"{_word(str(time))}${length}\r\n" for length in range(_LONGEST_VALUE + 1))


def pack(bars: Sequence[Bar], newest: Sequence[bool]) -> Packed:
    """One TS.MADD a bar, `latest:` of the symbols' newest bars, a PUBLISH a bar and one for all; `bars` is not empty."""
    ready = [_ready(bar.sym) for bar in bars]
    samples, lines = _samples(bars, ready)
    texts = [bar_json(bar) for bar in bars]
    payloads = [b"%d\r\n%b\r\n" % (len(text), text) for text in texts]
    # Of a symbol's bars in one batch the last one counts.
    latest = dict(compress(zip([one.latest for one in ready], payloads, strict=True), newest))
    parts = [samples]
    for item in latest.items():
        parts += item
    for one, payload in zip(ready, payloads, strict=True):
        parts += (one.channel, payload)
    batch = b",".join(texts)
    parts += (_PUBLISH_ALL, b"%d\r\n[%b]\r\n" % (len(batch) + 2, batch))
    others = len(latest) + len(bars) + 1
    return Packed(b"".join(parts), len(bars) + others, lines + others)


def _samples(bars: Sequence[Bar], ready: Sequence[_Ready]) -> tuple[bytes, int]:
    """The TS.MADDs, and how many lines Redis answers: each an array of as many times as samples."""
    parts: list[str] = []
    lines = 0
    for bar, ((ko, kh, kl, kc, kv, kn), _, _) in zip(bars, ready, strict=True):
        _, t, o, h, low, c, v, n, span, _ = bar
        if o is None or h is None or low is None or c is None or n is None or not v or span == MINUTE_MS:
            text, answered = _odd(bar)
            parts.append(text)
            lines += answered
            continue
        stamps = _stamps(t)
        o_, h_, l_, c_, v_, n_ = str(o), str(h), str(low), str(c), str(v), str(n)
        parts.append(
            f"{ko}{stamps[len(o_)]}{o_}{kh}{stamps[len(h_)]}{h_}{kl}{stamps[len(l_)]}{l_}"
            f"{kc}{stamps[len(c_)]}{c_}{kv}{stamps[len(v_)]}{v_}{kn}{stamps[len(n_)]}{n_}\r\n"
        )
        lines += 7
    return "".join(parts).encode(), lines


def _odd(bar: Bar) -> tuple[str, int]:
    """The same for a bar that is not an ordinary second."""
    words = store_command((bar,))
    return encode(words).decode(), 1 + (len(words) - 1) // 3


def store_command(bars: Sequence[Bar]) -> list[str | int]:
    """One TS.MADD that stores `bars` in the 1s series; fields that are not known are left out."""
    words: list[str | int] = ["TS.MADD"]
    for bar in bars:
        values = (bar.o, bar.h, bar.l, bar.c, bar.v, stored_notional(bar))
        time = stored_time(bar)
        for field, value in zip(FIELDS, values, strict=True):
            if value is not None:
                words += [keys.series(bar.sym, "1s", field), time, str(value)]
    return words


def latest_command(bar: Bar) -> list[str | int]:
    """The SET of the symbol's last bar."""
    return ["SET", keys.latest(bar.sym), bar_json(bar).decode()]


# --- new symbols


class Creation:
    """What makes a new symbol's series and rules and enters it in the list of symbols."""

    def __init__(self, schema: Schema) -> None:
        self._schema = schema
        self._texts: dict[int, Packed] = {}  # by the length of the symbol, with a blank in its places

    def pack(self, symbol: str) -> Packed:
        """More than forty commands, which are packed once for all symbols of a length: a market opens with 10,000 of them."""
        name = symbol.encode()
        text = self._texts.get(len(name)) or self._texts.setdefault(len(name), self._of_length(len(name)))
        return text._replace(payload=text.payload.replace(_BLANK * len(name), name))

    def _of_length(self, length: int) -> Packed:
        blank = (_BLANK * length).decode()
        commands = [*create_commands(blank, self._schema), ("SADD", keys.SYMBOLS, blank)]
        return Packed(b"".join(map(encode, commands)), len(commands), 0)


_BLANK = b"\0"
