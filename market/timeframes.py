"""Timeframes: ``1s 5s 1m 3m 1h 4h 1d``. Four are stored, any other is a multiple of one of them."""

from __future__ import annotations

import re
from typing import NamedTuple

STORED: dict[str, int] = {"1s": 1_000, "1m": 60_000, "5m": 300_000, "1h": 3_600_000}

DAY_MS = 86_400_000
_UNIT_MS = {"s": 1_000, "m": 60_000, "h": 3_600_000, "d": DAY_MS}
#: How units are written, in any case; `M` alone is ambiguous.
_UNITS = {
    word: unit
    for unit, words in {
        "s": "s sec secs second seconds",
        "m": "m min mins minute minutes",
        "h": "h hr hrs hour hours",
        "d": "d day days",
    }.items()
    for word in words.split()
}
_TEXT = re.compile(r"([1-9][0-9]{0,4})([A-Za-z]{1,7})\Z")


class Timeframe(NamedTuple):
    """`name` as asked for, its length in ms, and the coarsest stored timeframe that it is a multiple of."""

    name: str
    ms: int
    source: str

    @property
    def source_ms(self) -> int:
        return STORED[self.source]

    @property
    def stored(self) -> bool:
        return self.source_ms == self.ms

    @property
    def daily(self) -> bool:
        """Days are aligned to New York midnight, everything shorter to UTC."""
        return self.ms == DAY_MS


def parse(text: str) -> Timeframe:
    """The timeframe that `text` names, the unit in any case and also as a word: ``5Min`` is `5m`.

    Raises ValueError with a sentence for the user: at most one day, and a day must be a whole number of it (so that candles
    line up with UTC midnight); `1M` may be a minute or a month.
    """
    found = _TEXT.match(text)
    if found and found[2] == "M":
        raise ValueError(f"timeframe {text} is ambiguous: {found[1]}m is minutes, {found[1]}mo would be months")
    unit = _UNITS.get(found[2].lower()) if found else None
    if not found or unit is None:
        raise ValueError(f"timeframe {text[:20]!r} is not a number and one of s m h d, such as 1s, 5m, 1h or 1d")
    ms = int(found[1]) * _UNIT_MS[unit]
    if ms > DAY_MS or DAY_MS % ms:
        raise ValueError(f"timeframe {text} does not divide a day: take for example 1s, 15s, 1m, 3m, 15m, 1h, 4h or 1d")
    source = max((name for name, length in STORED.items() if ms % length == 0), key=STORED.__getitem__)
    return Timeframe(found[1] + unit, ms, source)
