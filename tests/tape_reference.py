"""Candles of the recorded tape `us-tape-2018`, computed a second time: plainly, slowly, and without any code of ours.

Everything is done over from the words of the rules: the letters, the sessions (both days are in winter, so New York is
UTC less five hours), decimal arithmetic, and grouping by time instead of running state.
"""

from __future__ import annotations

import csv
import gzip
from calendar import timegm
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import NamedTuple

TIMEFRAMES = {"1s": 1_000, "1m": 60_000, "5m": 300_000, "1h": 3_600_000}

#: (open, high, low, close, volume, vwap); None where no print sets it.
Candle = tuple[float | None, float | None, float | None, float | None, float, float | None]

_CANCELLED = {"7", "8", "10", "11"}
_NO_HIGH_LOW = set("BCINRUV7MQ")
_NO_OPEN_CLOSE = _NO_HIGH_LOW | set("4PZ")
_NO_VOLUME = set("MQ")
_FREE = set("FO6")
_STEP = Decimal("0.0001")


class Print(NamedTuple):
    """One record that counts: epoch ms, price, shares, and what it may set."""

    t: int
    price: Decimal
    size: Decimal
    high_low: bool
    open_close: bool
    volume: bool


def candles(path: Path) -> dict[str, dict[int, Candle]]:
    """``{"1m": {start in epoch ms: candle}}`` of the one symbol in the file, for all of `TIMEFRAMES`.

    A span that holds volume only is there too, with None prices: an answer of complete candles leaves it out.
    """
    prints = read(path)
    found: dict[str, dict[int, Candle]] = {}
    for name, length in TIMEFRAMES.items():
        spans: defaultdict[int, list[Print]] = defaultdict(list)
        for one in prints:
            spans[one.t // length * length].append(one)
        found[name] = {start: _candle(inside) for start, inside in spans.items()}
    return found


def read(path: Path) -> list[Print]:
    """The prints that may set something, in the order of the tape (the file's order stands for the sequence number)."""
    with gzip.open(path, "rt", newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["correction"] not in _CANCELLED]
    prints = [_print(row["time_utc"], row["price"], row["size"], row["sale_condition"]) for row in rows]
    return sorted((x for x in prints if x.high_low or x.open_close or x.volume), key=lambda x: x.t)


def _print(time_utc: str, price: str, size: str, text: str) -> Print:
    at = datetime.strptime(time_utc, "%Y-%m-%d %H:%M:%S.%f")
    letters = set(text.replace(" ", ""))
    blocked = "T" in letters and (9, 30) <= (at.hour - 5, at.minute) < (16, 0)
    assert letters <= _NO_OPEN_CLOSE | _FREE | {"T"}, text
    return Print(
        timegm(at.timetuple()) * 1000 + at.microsecond // 1000,
        Decimal(price),
        Decimal(size),
        high_low=not blocked and not letters & _NO_HIGH_LOW,
        open_close=not blocked and not letters & _NO_OPEN_CLOSE,
        volume=not letters & _NO_VOLUME,
    )


def _candle(prints: Iterable[Print]) -> Candle:
    inside = list(prints)
    ranged = [_stored(x.price) for x in inside if x.high_low]
    placed = [_stored(x.price) for x in inside if x.open_close]
    volume = sum((x.size for x in inside if x.volume), Decimal(0))
    money = sum((_stored(x.price * x.size) for x in inside if x.volume), Decimal(0))
    return (
        float(placed[0]) if placed else None,
        float(max(ranged)) if ranged else None,
        float(min(ranged)) if ranged else None,
        float(placed[-1]) if placed else None,
        float(volume),
        round(float(money / volume), 6) if volume else None,
    )


def _stored(amount: Decimal) -> Decimal:
    """The store's grain: 1/10000, half to even."""
    return amount.quantize(_STEP, ROUND_HALF_EVEN)
