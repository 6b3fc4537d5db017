"""Candles as columns: joining the fields of a bar on time, and making larger candles of smaller ones. Pure numpy."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from market import limits
from redis_functions.contract.schema import FIELDS
from redis_functions.read.ranges import Samples, Times, Values

#: Rows of Candles.fields.
OPEN, HIGH, LOW, CLOSE, VOLUME, NOTIONAL = range(6)
_PRICES = 4
#: What a stored number is at least, and what it is below; a notional below zero marks a bar without VWAP.
_LEAST = dict.fromkeys(FIELDS, 1.0) | {"volume": 0.0, "notional": -math.inf}
_BOUND = dict.fromkeys(FIELDS, limits.MAX_PRICE_TICKS) | {"volume": limits.MAX_VOLUME, "notional": limits.MAX_NOTIONAL}


@dataclass(frozen=True, slots=True)
class Candles:
    """`t`: starts, epoch ms, ascending. `fields`: rows open high low close volume notional, in ticks; NaN: unknown.

    `more`: of a limited answer, whether the range has older ones too (of the oldest: newer ones).
    """

    t: Times
    fields: Values
    more: bool = False

    def __len__(self) -> int:
        return len(self.t)

    def __getitem__(self, which: slice) -> Candles:
        return Candles(self.t[which], self.fields[:, which])

    def newest(self, count: int, more: bool = False) -> Candles:
        """At most the newest so many; `more`: that there are more is known already."""
        return Candles(self.t[-count:], self.fields[:, -count:], more or len(self) > count)

    def oldest(self, count: int, more: bool = False) -> Candles:
        """At most the oldest so many."""
        return Candles(self.t[:count], self.fields[:, :count], more or len(self) > count)

    def complete(self, prices: Sequence[int] = range(_PRICES)) -> Candles:
        """Those with open, high, low and close (or those of them that `prices` names): only they are candles, the rest is
        volume of spans without a price."""
        read = self.fields[:_PRICES] if len(prices) == _PRICES else self.fields[list(prices)]
        if all_known(read):
            return self
        known = ~np.isnan(read).any(axis=0)
        return Candles(self.t[known], self.fields[:, known])


NONE = Candles(np.empty(0, np.int64), np.empty((6, 0)))


def all_known(values: Values) -> bool:
    """Whether nothing is NaN, which a sum would be then too: a third of the time of looking at each."""
    return not math.isnan(values.sum())


def without_impossible(names: Sequence[str], values: Values) -> Values:
    """Rows of stored numbers, one a field of `names`: NaN in place of what cannot be one, as others may write to the series too.

    Changes `values`.
    """
    for row, name in enumerate(names):
        # NaN makes the two comparisons false, so only complete columns within the limits are passed over.
        if len(values[row]) and not (_LEAST[name] <= values[row].min() and values[row].max() < _BOUND[name]):
            with np.errstate(invalid="ignore"):
                wrong = (values[row] < _LEAST[name]) | (values[row] >= _BOUND[name])
            values[row][wrong] = np.nan
    return values


def join(columns: Sequence[Samples]) -> tuple[Times, Values]:
    """All times that any column has, and one row of values a column: NaN where a column has no sample at that time."""
    times = columns[0].t
    if all(c.t is times or np.array_equal(c.t, times) for c in columns[1:]):
        return times, np.stack([c.v for c in columns])
    times = np.unique(np.concatenate([c.t for c in columns]))
    values = np.full((len(columns), len(times)), np.nan)
    for row, column in zip(values, columns, strict=True):
        row[np.searchsorted(times, column.t)] = column.v
    return times, values


def aggregate(rows: Candles, starts: Times) -> Candles:
    """One candle for each distinct value of `starts`: the ascending starts of the larger candles the rows belong to.

    Open is the first known one, close the last known one; volume and notional are sums over all rows, also those
    without prices. Where a row with volume has no notional, the sum is unknown too.
    """
    if not len(rows):
        return rows
    first = np.flatnonzero(np.concatenate([[True], starts[1:] != starts[:-1]]))
    which = np.repeat(np.arange(len(first)), np.diff(np.append(first, len(starts))))
    source = rows.fields
    out = np.full((6, len(first)), np.nan)
    opened, closed = np.flatnonzero(~np.isnan(source[OPEN])), np.flatnonzero(~np.isnan(source[CLOSE]))
    # Of several values for one place the last is kept, so the first open is written last.
    out[OPEN][which[opened[::-1]]] = source[OPEN][opened[::-1]]
    out[CLOSE][which[closed]] = source[CLOSE][closed]
    out[HIGH] = np.fmax.reduceat(source[HIGH], first)
    out[LOW] = np.fmin.reduceat(source[LOW], first)
    volume = np.nan_to_num(source[VOLUME])
    notional = np.where(np.isnan(source[NOTIONAL]) & (volume == 0), 0.0, source[NOTIONAL])
    out[VOLUME] = np.add.reduceat(volume, first)
    out[NOTIONAL] = np.add.reduceat(notional, first)
    return Candles(starts[first], out)
