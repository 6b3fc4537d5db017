"""The market that the benches play: 10,000 symbols in random order, as the vendor's frames, as bars, or second by second."""

from __future__ import annotations

import random
import zlib
from collections.abc import Iterator

import numpy as np

from market.bar import Bar

#: Events in a frame; the vendor's hold a few hundred at a busy second.
FRAME_EVENTS = 300
#: Where a bench's time begins: the opening bell of Wednesday 2025-10-15; in the past, as a replay is.
OPEN_MS = 1_760_535_000_000


def names(count: int) -> list[str]:
    """Symbols of one to four letters and digits, the same every time."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    return [f"{letters[i % 26]}{letters[i // 26 % 26]}{letters[i // 676 % 26]}{i // 17576 or ''}" for i in range(count)]


def second(symbols: list[str], t: int, rng: np.random.Generator) -> list[Bar]:
    """One second in which every symbol trades, in random order; prices of $20 to $510 that no velocity rule minds."""
    n = len(symbols)
    order = rng.permutation(n).tolist()
    # Of the symbol, not of its place: callers name some, in any order.
    own = np.array([zlib.crc32(symbol.encode()) % 49_000 for symbol in symbols])
    middle = 2_000 + own + rng.integers(-2, 3, n)
    spread = rng.integers(0, 4, (3, n))
    close = middle + rng.integers(-1, 2, n)
    high = np.maximum(middle, close) + spread[0]
    low = np.minimum(middle, close) - spread[1]
    volume = (rng.integers(1, 60, n) * 100).tolist()
    o, h, lo, c = ((x * 100).tolist() for x in (middle, high, low, close))
    return [Bar(symbols[i], t, o[i], h[i], lo[i], c[i], volume[i], (h[i] + lo[i]) // 2 * volume[i]) for i in order]


def bars(symbols: list[str], seconds: int, start_ms: int = OPEN_MS, seed: int = 1) -> list[list[Bar]]:
    """`seconds` seconds of `second`."""
    rng = np.random.default_rng(seed)
    return [second(symbols, start_ms + 1000 * i, rng) for i in range(seconds)]


def aggregate(bar: Bar, event: str = "A", span_ms: int = 1000) -> str:
    """A bar as the vendor's `A` (or `AM`) event, with the fields that it sends."""
    o, h, low, c, money = ((x or 0) / 1e4 for x in (bar.o, bar.h, bar.l, bar.c, bar.n))
    v = int(bar.v)
    vw = money / v
    return (
        f'{{"ev":"{event}","sym":"{bar.sym}","v":{v},"av":{9 * v},"op":{o},"vw":{vw:.4f},"o":{o},"c":{c},"h":{h},"l":{low},'
        f'"a":{vw:.4f},"z":100,"s":{bar.t},"e":{bar.t + span_ms},"dv":"{v}.0"}}'
    )


def frames(events: list[str], size: int = FRAME_EVENTS) -> list[bytes]:
    """Events as frames, JSON arrays."""
    return [f"[{','.join(events[i : i + size])}]".encode() for i in range(0, len(events), size)]


def trade(symbol: str, t: int) -> str:
    """One print by itself."""
    return f'{{"ev":"T","sym":"{symbol}","x":1,"i":"1","z":1,"p":10.5,"s":100,"t":{t},"q":1}}'


def trade_frames(symbols: list[str], seconds: int, per_second: int, start_ms: int = OPEN_MS) -> Iterator[list[bytes]]:
    """The `T` frames of each second: `per_second` prints of Zipf-like symbols in order of time, with usual conditions."""
    rng = random.Random(2)
    weights = [1 / (1 + i) for i in range(len(symbols))]
    conditions = ("", "", ',"c":[37]', ',"c":[14,41]', ',"c":[12,37]')
    number = 0
    for s in range(seconds):
        events = []
        for i, k in enumerate(rng.choices(range(len(symbols)), weights, k=per_second)):
            number += 1
            price = (2_000 + k * 7919 % 49_000 + rng.randrange(-2, 3)) / 100
            t = start_ms + 1000 * s + i * 1000 // per_second
            events.append(
                f'{{"ev":"T","sym":"{symbols[k]}","x":{1 + number % 15},"i":"{number}","z":{1 + k % 3},"p":{price},'
                f'"s":{rng.choice((1, 10, 100, 200))}{rng.choice(conditions)},"t":{t},"q":{number}}}'
            )
        yield frames(events)
