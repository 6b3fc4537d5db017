"""The speed of this machine's cores, relative to the cores on which the capacity model's constants were measured.

The measured work is the hot path's own: decoding a frame of second bars, and packing the bars as commands. A core that takes
twice the CPU time for it is taken to need twice the CPU for everything.
"""

from __future__ import annotations

import time

from market.bar import Bar
from redis_functions.contract.codec import pack
from vendor.vendors import DEFAULT

#: CPU µs a bar of `_work` where the constants of capacity.py were measured: `python -m bench.calibrate`.
REFERENCE_US = 4.1
_BARS, _ROUNDS, _REPEATS = 300, 15, 20


def measure() -> float:
    """This machine's CPU time for the work, over the reference's: 1.6 is a core 1.6 times slower. Takes about 0.3 s."""
    return bar_us() / REFERENCE_US


def bar_us() -> float:
    """CPU µs a bar, the best of several rounds: whatever else runs can only add."""
    frame, bars = _frame(), [_bar(i) for i in range(_BARS)]
    decode = DEFAULT.decoder()
    newest = [True] * _BARS
    best = float("inf")
    for _ in range(_ROUNDS):
        began = time.process_time()
        for _ in range(_REPEATS):
            decode(frame)
            pack(bars, newest)
        best = min(best, time.process_time() - began)
    return best / (_REPEATS * _BARS) * 1e6


def _bar(i: int) -> Bar:
    price = 20_0000 + i * 1_100
    return Bar(f"S{i}", 1_760_535_000_000, price, price + 300, price - 200, price + 100, 100 + i, price * (100 + i))


def _frame() -> bytes:
    return DEFAULT.sample_frame(map(_bar, range(_BARS)))
