"""Whether Redis serves this process: one log line when it stops serving and one when it serves again, for all its users."""

from __future__ import annotations

import logging
import time

from redis_functions.errors import condition_of

log = logging.getLogger("tapewatch.store")


class Availability:
    """Shared by all parts of a process that wait for Redis; each reports under a name of its own.

    The condition begins with the first part that fails, and ends when every part that failed was served again.
    """

    def __init__(self, meanwhile: str = "what waits is kept and tried again") -> None:
        """`meanwhile`: what the process does until Redis serves again, for the log."""
        self._meanwhile = meanwhile
        self._failing: set[str] = set()
        self._condition = ""
        self._since = 0.0

    @property
    def condition(self) -> str:
        """What is wrong, such as ``Redis is unreachable``; empty while Redis serves."""
        return self._condition

    def failed(self, part: str, error: Exception) -> None:
        """`part` was not served and tries again."""
        condition = condition_of(error)
        if condition != self._condition:
            if self._condition:
                log.warning("%s, after %.1f s in which %s: %s", condition, self._elapsed(), self._condition, error)
            else:
                log.warning("%s: %s; %s", condition, str(error).rstrip(".") or type(error).__name__, self._meanwhile)
            self._condition, self._since = condition, time.monotonic()
        self._failing.add(part)

    def served(self, part: str) -> None:
        """`part` was served."""
        if not self._failing:
            return
        self._failing.discard(part)
        if not self._failing:
            log.info("Redis serves again: %s for %.1f s", self._condition, self._elapsed())
            self._condition = ""

    def withdraw(self, part: str) -> None:
        """`part` asks no more, so it is no sign of either."""
        self._failing.discard(part)
        if not self._failing:
            self._condition = ""

    def _elapsed(self) -> float:
        return time.monotonic() - self._since
