"""The size of a bar or a print, of which the vendor sends an exact decimal text beside the number."""

from __future__ import annotations

import math

from market.limits import MAX_VOLUME
from vendor.massive.channels.channel import Unusable


def exact_size(plain: float, decimal: str | None) -> float:
    """The size; the decimal text is the exact one, unless it is no number. Raises Unusable where it is out of range.

    Whole numbers become int, which the store keeps shorter.
    """
    size = plain
    if decimal:
        try:
            exact = float(decimal)
        except ValueError:
            exact = math.nan
        if math.isfinite(exact):
            size = exact
    if not 0.0 <= size < MAX_VOLUME:
        raise Unusable("bad_volume")
    whole = int(size)
    return whole if whole == size else size
