"""The planted spikes: once a period one symbol jumps by 1.2 to 2.5 % within two seconds and comes back slowly."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from simulator.noise import Floats, Ints, hashed, unit

#: A jump of 1.2 % stays above 0.8 % of a previous close that is half as high again as the price.
LEAST, MOST = 0.012, 0.025
#: The price comes back in a straight line over this time: less than 0.1 % in 5 s, which raises no alert.
RETURN_S = 150
_PEAK_S = 4


class Spike(NamedTuple):
    """The price of symbol `who` moves by `size` (a signed share of it) in the seconds `t` and `t + 1`."""

    t: int
    who: int
    size: float


class Spikes:
    """Spike number k lies in the k-th period of `every` seconds since the epoch."""

    def __init__(self, seed: int, count: int, every: int) -> None:
        self.every = every
        self.count = count
        self.key = hashed(np.uint64(seed & (1 << 64) - 1), 0x51)
        stride = int(hashed(self.key, 1)) % count + 1
        while math.gcd(stride, count) != 1:
            stride += 1
        # Walking all symbols by a stride keeps two spikes of one symbol as far apart as the market allows.
        self.stride = stride
        self.number = lru_cache(maxsize=4096)(self._number)

    def _number(self, k: int) -> Spike:
        where, size, up = (float(unit(self.key, k, purpose)) for purpose in (2, 3, 4))
        t = k * self.every + int(self.every * (0.25 + where * 0.5))
        height = LEAST + size * (MOST - LEAST)
        return Spike(t, k * self.stride % self.count, height if up < 0.5 else -height)

    def between(self, start: int, end: int) -> list[Spike]:
        """The spikes whose jump begins in the seconds start..end-1."""
        if self.every <= 0:
            return []
        numbered = (self.number(k) for k in range(start // self.every - 1, end // self.every + 1))
        return [spike for spike in numbered if start <= spike.t < end]

    def factor(self, who: Ints, t: Ints) -> Floats:
        """What to multiply the price of who[i] at second t[i] by."""
        factor = np.ones(t.shape)
        if not t.size:
            return factor
        order = None
        spikes = self.between(int(t.min()) - RETURN_S - _PEAK_S, int(t.max()) + 1)
        if len(spikes) > 32:
            # Many spikes over a long span: look each up in the rows sorted by symbol instead of scanning all of them.
            order = np.argsort(who, kind="stable")
            ordered = who[order]
        for spike in spikes:
            if order is None:
                rows = np.flatnonzero(who == spike.who)
            else:
                rows = order[np.searchsorted(ordered, spike.who) : np.searchsorted(ordered, spike.who, "right")]
            if rows.size:
                factor[rows] *= 1.0 + spike.size * _shape(t[rows] - spike.t)
        return factor


def _shape(age: Ints) -> Floats:
    """How much of a spike is there `age` seconds after its jump began: 60 % after one second, all of it after two."""
    return np.interp(age, [0, 1, 2, _PEAK_S, _PEAK_S + RETURN_S], [0.0, 0.6, 1.0, 1.0, 0.0])
