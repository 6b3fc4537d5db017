"""No kind of log line floods the log: ten a second, and then one line with the count of the rest.

A kind is a logger, a level and a message before its arguments are put in.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import dataclass
from typing import Protocol, TypeAlias

LINES, SPAN_S = 10, 1.0
#: Kinds remembered; a message with its arguments already in it is a kind of its own.
MOST_KINDS = 1_000

_Kind: TypeAlias = tuple[str, int, str]


@dataclass
class _Window:
    """The lines of one kind since `began` (monotonic seconds)."""

    began: float
    passed: int = 0
    left_out: int = 0


class Output(Protocol):
    """Where lines are written."""

    def write(self, record: logging.LogRecord, /) -> None: ...


class LineLimit:
    """Lets ten lines of a kind pass in a second; the count of the others goes to `output` when their second is over."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._windows: dict[_Kind, _Window] = {}
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def passes(self, record: logging.LogRecord) -> bool:
        """Whether this line is to be written; one that is not is counted."""
        kind = (record.name, record.levelno, str(record.msg))
        now = time.monotonic()
        with self._lock:
            window = self._windows.get(kind)
            # A window with lines left out ends by the timer, so that their count comes first.
            if window is None or (now - window.began >= SPAN_S and not window.left_out):
                if len(self._windows) >= MOST_KINDS:
                    self._windows = {kind: window for kind, window in self._windows.items() if window.left_out}
                window = self._windows[kind] = _Window(now)
            if window.passed < LINES:
                window.passed += 1
                return True
            window.left_out += 1
            if self._timer is None:
                self._timer = threading.Timer(max(0.0, window.began + SPAN_S - now), self.flush)
                self._timer.daemon = True
                self._timer.start()
            return False

    def flush(self) -> None:
        """Writes the count of what was left out, by kind."""
        with self._lock:
            left_out = [(kind, window.left_out) for kind, window in self._windows.items() if window.left_out]
            self._windows = {kind: window for kind, window in self._windows.items() if not window.left_out}
            self._timer = None
        for (name, level, message), count in left_out:
            text = "%d more lines like this one were left out within a second: %s"
            self._output.write(_record(name, level, text, count, message[:200]))


def _record(name: str, level: int, text: str, *args: object) -> logging.LogRecord:
    return logging.LogRecord(name, level, __file__, 0, text, args, None)
