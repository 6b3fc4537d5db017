"""TA-Lib, loaded when a first value is asked for: the bridge answers candles without its 5 MiB and 10 ms."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from typing import Any


@cache
def talib() -> Any:
    """The module `talib`; its wheel holds the C library. Where pandas is installed it loads that too (65 MB)."""
    return import_module("talib")
