"""A wall clock that never steps back: a step back would make good bars look like bars of the future."""

from __future__ import annotations

import time


class Clock:
    """Epoch ms that never run slower than the monotonic clock since the start; a step forward is followed."""

    def __init__(self) -> None:
        self._wall = time.time_ns()
        self._monotonic = time.monotonic_ns()

    def __call__(self) -> int:
        return max(time.time_ns(), self._wall + time.monotonic_ns() - self._monotonic) // 1_000_000
