"""A frame of the vendor's made of bars, by which the cost of decoding is measured."""

from __future__ import annotations

from collections.abc import Iterable

from market.bar import SECOND_MS, Bar
from market.price import SCALE


def sample_frame(bars: Iterable[Bar]) -> bytes:
    """A frame with these second bars, with all fields that the vendor sends; bars without prices are left out."""
    events = (
        f'{{"ev":"A","sym":"{bar.sym}","v":{bar.v},"av":{9 * bar.v},"op":{bar.o / SCALE},"vw":{bar.c / SCALE},'
        f'"o":{bar.o / SCALE},"c":{bar.c / SCALE},"h":{bar.h / SCALE},"l":{bar.l / SCALE},"a":{bar.c / SCALE},"z":100,'
        f'"s":{bar.t},"e":{bar.t + SECOND_MS}}}'
        for bar in bars
        if bar.o and bar.c and bar.h and bar.l
    )
    return f"[{','.join(events)}]".encode()
