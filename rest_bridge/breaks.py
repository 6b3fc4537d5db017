"""Rows of nulls where data is missing, so that a chart's line breaks there and does not bridge the hole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from market.timeframes import DAY_MS

R = TypeVar("R")

#: Silence shorter than this breaks no line, ms.
MIN_HOLE_MS = 20_000
TEXT = (
    "`1`: a row of nulls where data is missing for more than 20 s and two steps, so that a chart's line breaks there."
)


def with_breaks(rows: Sequence[R], times: Sequence[int], step_ms: int, empty: Callable[[int], R]) -> list[R]:
    """The rows, and after each that is followed by a hole ``empty(t)``; steps of a day and more have no holes, because a
    weekend is none. `times` are those of the rows, ascending, in ms."""
    if step_ms >= DAY_MS:
        return list(rows)
    hole = max(MIN_HOLE_MS, 2 * step_ms)
    out: list[R] = []
    before = None
    for row, t in zip(rows, times, strict=True):
        if before is not None and t - before > hole:
            out.append(empty(before + max(step_ms, 1000)))
        out.append(row)
        before = t
    return out
