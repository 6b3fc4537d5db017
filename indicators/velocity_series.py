"""Velocity over a series of closes, as the live detector sees it at each bar."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Times = npt.NDArray[np.int64]
Values = npt.NDArray[np.float64]


def velocity_series(
    t: Times, closes: Values, window_ms: int, max_age_ms: int, previous_closes: Values | None = None
) -> Values:
    """Percent that each close moved since the close that stood `window_ms` before; NaN where that is not known.

    ``100 * (close[i] - reference) / base``: the reference is the newest close at or before ``t[i] - window_ms``, if it
    is at most `max_age_ms` older than that instant; the base is the previous day's close that `previous_closes` gives
    for each bar, and the reference where that is NaN (or none is given). `t` (epoch ms) ascends; prices in one unit.
    """
    at = np.searchsorted(t, t - window_ms, side="right") - 1
    reference = closes[np.maximum(at, 0)]
    known = (at >= 0) & (t - window_ms - t[np.maximum(at, 0)] <= max_age_ms)
    base = reference if previous_closes is None else np.where(np.isnan(previous_closes), reference, previous_closes)
    known &= base > 0
    return np.where(known, 100.0 * (closes - reference) / np.where(known, base, 1.0), np.nan)
