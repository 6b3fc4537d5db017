"""Checks and conversions of whole columns of a frame, which cost an event half of what it costs one by one.

A column with a value that is not ordinary (about to be set aside, or a time that is not in ms) is None, and the caller looks
at each event by itself; the records are the same either way.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from market.limits import MAX_TIME, MAX_VOLUME
from market.symbols import is_symbol

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

#: Far more than a market has: a feed with more is making them up.
MOST_SYMBOLS = 1 << 17

#: Every symbol that passed: one look-up shows that it is good, and returns the one string that all its records share, so
#: that its hash is known from then on.
_symbols: dict[str, str] = {}


def symbols_of(names: list[str]) -> list[str] | None:
    known: list[Any] = list(map(_symbols.get, names))
    if None not in known:
        return known
    if len(_symbols) > MOST_SYMBOLS:
        _symbols.clear()
    for name in names:
        if is_symbol(name):
            _symbols.setdefault(name, name)
    known = list(map(_symbols.get, names))
    return None if None in known else known


def times(stamps: list[int], least: int) -> Ints | None:
    try:
        t = np.array(stamps, np.int64)
    except OverflowError:
        return None
    return t if ((t >= least) & (t < MAX_TIME)).all() else None


def sizes(plain: list[float], decimals: list[str | None]) -> Floats | None:
    """The sizes by their exact decimal text where there is one."""
    try:
        exact = list(map(float, decimals)) if all(decimals) else [  # type: ignore[arg-type]
            float(text) if text else number for text, number in zip(decimals, plain, strict=True)
        ]  # fmt: skip
    except ValueError:
        return None
    found = np.array(exact, np.float64)
    return found if ((found >= 0.0) & (found < MAX_VOLUME)).all() else None


def numbers(found: Floats) -> list[float]:
    """Whole numbers as ints, which the store keeps shorter."""
    whole = found.astype(np.int64)
    if (whole == found).all():
        return list(whole.tolist())
    return [i if i == x else x for i, x in zip(whole.tolist(), found.tolist(), strict=True)]


def where(values: NDArray[Any], known: NDArray[np.bool_]) -> list[Any]:
    """The values, None where they are not known."""
    if known.all():
        return list(values.tolist())
    return [value if is_known else None for value, is_known in zip(values.tolist(), known.tolist(), strict=True)]
