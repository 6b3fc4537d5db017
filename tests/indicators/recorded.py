"""Real bars, as columns: five days of minutes and nine months of days of 24 symbols, February 2019."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from tests.support import DATA

FOLDER = DATA / "minute-bars-2019"
ABSENT = f"the recorded bars {FOLDER} are not here (TAPEWATCH_TEST_DATA names their parent)"
DAY_MS = 86_400_000

Bars = dict[str, npt.NDArray[Any]]


def names(kind: str = "1min") -> list[str]:
    """Those that are here; `kind` is 1min or daily."""
    return sorted(path.name.removesuffix(f"_{kind}.csv") for path in FOLDER.glob(f"*_{kind}.csv"))


@cache
def bars(symbol: str, kind: str = "1min") -> Bars:
    """Ascending; prices in whole ticks of 1/10000, `t` the bar's start (its wall clock), notional unknown."""
    with Path(FOLDER, f"{symbol}_{kind}.csv").open() as file:
        rows = list(csv.DictReader(file))[::-1]
    columns: Bars = {
        name: np.array([round(float(row[name]) * 10_000) for row in rows], float)
        for name in ("open", "high", "low", "close")
    }
    t = np.array([_wall_ms(row["datetime"]) for row in rows], np.int64)
    if kind == "1min":
        t -= 60_000  # stamped at the end
    columns["volume"] = np.array([float(row["volume"]) for row in rows])
    columns["notional"] = np.full(len(rows), np.nan)
    return columns | {"t": t, "session": t // DAY_MS * DAY_MS, "clock": t % DAY_MS}


def _wall_ms(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp() * 1000)


def invented(rows: int, seed: int = 1, tick: int = 100) -> Bars:
    """A random walk of minutes, with pauses, gaps and volumes of zero, in whole ticks."""
    rng = np.random.default_rng(seed)
    close = (1_000_000 + np.cumsum(rng.integers(-9, 10, rows) * tick)).astype(float)
    open_ = close + rng.integers(-4, 5, rows) * tick
    high = np.maximum(open_, close) + rng.integers(0, 4, rows) * tick
    low = np.minimum(open_, close) - rng.integers(0, 4, rows) * tick
    volume = rng.integers(0, 900, rows).astype(float)
    t = np.cumsum(rng.integers(1, 4, rows)) * 60_000 + 17_000 * DAY_MS
    known = np.where(rng.random(rows) < 0.9, (high + low) / 2 * volume, np.nan)
    prices: Bars = {"open": open_, "high": high, "low": low, "close": close}
    return prices | {
        "volume": volume,
        "notional": known,
        "t": t,
        "session": t // DAY_MS * DAY_MS,
        "clock": t % DAY_MS,
    }
