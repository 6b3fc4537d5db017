"""The movers snapshot: the symbols that move most, ranked once a second."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ingest.pipeline import Pipeline

#: Rows of each list of the snapshot.
TOP = 50


def movers(pipeline: Pipeline) -> dict[str, Any]:
    """The snapshot: `velocity`, `change` best first, their `_down` worst first, `volume` largest first; at most TOP each.

    Only symbols that traded on the day of the clock take part, and no test symbols.
    """
    tape = pipeline.tape
    n = len(tape.symbols)
    out: dict[str, Any] = {
        "t": tape.clock,
        "velocity": [],
        "velocity_down": [],
        "change": [],
        "change_down": [],
        "volume": [],
    }
    if not n or tape.day is None:
        return out
    today = tape.traded_today()
    velocity = _current_velocity(pipeline, n)
    change = tape.change()
    for name, values in (("velocity", velocity), ("change", change), ("volume", tape.volume[:n])):
        usable = today & ~np.isnan(values)
        out[name] = _rows(pipeline, _best(values, usable), velocity, change)
        if name != "volume":
            out[f"{name}_down"] = _rows(pipeline, _best(-values, usable), velocity, change)
    return out


def _current_velocity(pipeline: Pipeline, n: int) -> NDArray[np.float64]:
    """Each symbol's velocity, NaN once its last bar is older than a window: a move of an hour ago is none now."""
    velocity = pipeline.velocity.detector.velocity[:n].copy()
    velocity[pipeline.tape.newest[:n] < pipeline.tape.clock - pipeline.velocity.detector.window_ms] = np.nan
    return velocity


def _best(values: NDArray[np.float64], usable: NDArray[np.bool_]) -> list[int]:
    candidates = np.flatnonzero(usable)
    if len(candidates) > TOP:
        candidates = candidates[np.argpartition(-values[candidates], TOP)[:TOP]]
    order = candidates[np.argsort(-values[candidates], kind="stable")]
    return [int(i) for i in order]


def _rows(
    pipeline: Pipeline, idx: list[int], velocity: NDArray[np.float64], change: NDArray[np.float64]
) -> list[dict[str, Any]]:
    tape = pipeline.tape
    return [
        {
            "symbol": tape.symbols[i],
            "last": _known(tape.last[i], 4),
            "velocity": _known(velocity[i], 4),
            "change": _known(change[i], 4),
            "volume": _whole(float(tape.volume[i])),
            "t": int(tape.newest[i]),
        }
        for i in idx
    ]


def _known(value: float, digits: int) -> float | None:
    return None if math.isnan(value) else round(float(value), digits)


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value
