"""Second bars and candles of many symbols as columns, so that whole days are compared by set difference at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from redis import Redis

from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.read.candles import join
from redis_functions.read.ranges import Range, read_ranges
from redis_functions.read.reader import read_candles

Ints = NDArray[np.int64]
Floats = NDArray[np.float64]

#: A key is a symbol's number times this, plus the second.
SECONDS = 1 << 34
FIELDS = ("open", "high", "low", "close", "volume", "notional")
TIMEFRAMES = {"1m": 60, "5m": 300, "1h": 3_600}
LATER = 4_000_000_000_000
#: Symbols of one read.
_BATCH = 50


class Bars(NamedTuple):
    """`key`: ascending, unique; `fields`: one row for each of FIELDS, prices and notional in 1/10000."""

    key: Ints
    fields: Floats

    @property
    def second(self) -> Ints:
        return self.key % SECONDS

    def where(self, mask: NDArray[np.bool_]) -> Bars:
        return Bars(self.key[mask], self.fields[:, mask])


NOTHING = Bars(np.empty(0, np.int64), np.empty((6, 0)))


class Difference(NamedTuple):
    """Keys that only `expected` has, that only `found` has, and that differ in a field."""

    missing: Ints
    extra: Ints
    differing: Ints

    @property
    def total(self) -> int:
        return len(self.missing) + len(self.extra) + len(self.differing)


def difference(expected: Bars, found: Bars) -> Difference:
    """By set difference over the keys, then field by field."""
    missing = np.setdiff1d(expected.key, found.key, assume_unique=True)
    extra = np.setdiff1d(found.key, expected.key, assume_unique=True)
    both, mine, theirs = np.intersect1d(expected.key, found.key, assume_unique=True, return_indices=True)
    same = (expected.fields[:, mine] == found.fields[:, theirs]).all(axis=0)
    return Difference(missing, extra, both[~same])


def replaced(bars: Bars, by: Bars) -> Bars:
    """`bars`, with those of `by` replacing bars of the same key and added otherwise."""
    if not len(by.key):
        return bars
    kept = bars.where(~np.isin(bars.key, by.key))
    key = np.concatenate([kept.key, by.key])
    order = np.argsort(key, kind="stable")
    return Bars(key[order], np.concatenate([kept.fields, by.fields], axis=1)[:, order])


def rolled(bars: Bars, span_s: int) -> Bars:
    """Candles of `span_s` seconds: first open, highest high, lowest low, last close, sums of volume and notional."""
    if not len(bars.key):
        return bars
    key = bars.key - bars.second % span_s
    first = np.flatnonzero(np.concatenate([[True], key[1:] != key[:-1]]))
    last = np.append(first[1:], len(key)) - 1
    o, h, low, c, v, n = bars.fields
    fields = [o[first], np.maximum.reduceat(h, first), np.minimum.reduceat(low, first), c[last]]
    return Bars(key[first], np.stack([*fields, np.add.reduceat(v, first), np.add.reduceat(n, first)]))


def stored_seconds(client: Redis, names: Sequence[str]) -> Bars:
    """Every sample of the 1s series; a sample between seconds counts as its second, where it shows as a difference."""
    parts: list[Bars] = []
    for begin in range(0, len(names), _BATCH):
        some = names[begin : begin + _BATCH]
        ranges = [Range(keys.series(name, "1s", field), 0, LATER) for name in some for field in FIELDS]
        answers = read_ranges(client, ranges)
        for number in range(len(some)):
            t, values = join(answers[6 * number : 6 * number + 6])
            parts.append(Bars((begin + number) * SECONDS + t // 1000, values))
    return _joined(parts)


def stored_candles(client: Redis, names: Sequence[str], timeframe: str) -> Bars:
    """Every candle, as the bridge reads them."""
    parts: list[Bars] = []
    for begin in range(0, len(names), _BATCH):
        found = read_candles(client, names[begin : begin + _BATCH], parse(timeframe), 0, LATER, 5_000)
        parts += [Bars((begin + i) * SECONDS + one.t // 1000, one.fields) for i, one in enumerate(found)]
    return _joined(parts)


def _joined(parts: Sequence[Bars]) -> Bars:
    if not parts:
        return NOTHING
    return Bars(np.concatenate([p.key for p in parts]), np.concatenate([p.fields for p in parts], axis=1))


def described(key: int, names: Sequence[str], bars: Bars) -> str:
    """One bar as text: symbol, second, fields."""
    at: Any = np.searchsorted(bars.key, key)
    values = bars.fields[:, at].tolist() if at < len(bars.key) and bars.key[at] == key else None
    return f"{names[key // SECONDS]} second {key % SECONDS}: {values}"
