"""Hostile input of every kind: short forms in `make test`, long ones in `make fuzz` (TAPEWATCH_TEST_FUZZ=long)."""

from __future__ import annotations

import os

#: Whether this is `make fuzz`.
LONG = os.environ.get("TAPEWATCH_TEST_FUZZ") == "long"


def times(short: int, long: int) -> int:
    """How many examples."""
    return long if LONG else short
