"""How many earlier candles make a value independent of where the series began.

An exponential average is seeded by the mean of its first n values, and then forgets: after k more candles the seed weighs
(1 - a)^k. `reach` is the number of candles before a row from which on that weight is below WEIGHT, so that a row that has
so many before it has the same value, to about ten digits, whether or not still older ones are read.
"""

from __future__ import annotations

import math
from typing import Final

#: Total weight that older candles may have.
WEIGHT: Final = 1e-10
#: The reach of what never forgets: it is computed from the oldest candle that is stored.
OLDEST: Final = 1 << 40


def ema_reach(n: int) -> int:
    """Of an exponential average, a = 2 / (n + 1)."""
    return n - 1 + _steps(1 - 2 / (n + 1))


def wilder_reach(n: int) -> int:
    """Of Wilder's average of changes or true ranges, a = 1 / n: the first change is that of the second candle."""
    return n + _steps(1 - 1 / n)


def dema_reach(n: int) -> int:
    """Of 2 EMA - EMA(EMA): of the average of an average, candles older than k weigh (1 - a)^k (1 + k a / (1 - a))."""
    if n == 1:
        return 0
    decay = 1 - 2 / (n + 1)
    steps = 0
    for _ in range(60):  # converges in a few rounds: the polynomial hardly moves the logarithm
        steps = math.ceil(math.log(WEIGHT / (3 + steps * (1 - decay) / decay)) / math.log(decay))
    return 2 * (n - 1) + steps


def _steps(decay: float) -> int:
    """The smallest k with decay^k < WEIGHT."""
    return math.ceil(math.log(WEIGHT) / math.log(decay)) if decay > 0 else 0
