"""Statistics into their time series, `ts:stats:<name>`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from redis_functions.contract import keys
from redis_functions.contract.statistics import RETENTION_MS, check_names


def add_statistics(pipe: Any, now_ms: int, values: Mapping[str, float]) -> None:
    """Adds one sample of each value at `now_ms` (epoch ms) to the pipeline; executes nothing.

    Raises ValueError for a name that is not in the table of statistics.
    """
    check_names(values)
    for name, value in values.items():
        pipe.execute_command(
            "TS.ADD", keys.stat(name), now_ms, repr(float(value)), "RETENTION", RETENTION_MS, "ON_DUPLICATE", "LAST"
        )
