"""Sorting by time what does not fit into memory: sorted runs in temporary files, merged when read."""

from __future__ import annotations

import heapq
import tempfile
from collections.abc import Iterator
from typing import IO, Any

import orjson

#: Rows of one run: about 100 MB of memory.
RUN_ROWS = 250_000


class TimeSorter:
    """Takes (time, JSON-able row) in any order; iterating answers them by time, equal times in the order they came.

    Files of bars come newest first or symbol by symbol, so that nothing may be sent before all is read.
    """

    def __init__(self, run_rows: int = RUN_ROWS) -> None:
        self._run_rows = run_rows
        self._rows: list[tuple[int, int, bytes]] = []
        self._runs: list[IO[bytes]] = []
        self.count = 0

    def add(self, t: int, row: Any) -> None:
        # Joined, as what orjson returns keeps hold of the 4 KB that it was written into.
        self._rows.append((t, self.count, b"".join((orjson.dumps(row), b"\n"))))
        self.count += 1
        if len(self._rows) >= self._run_rows:
            self._spill()

    def __iter__(self) -> Iterator[tuple[int, Any]]:
        """Empties the sorter while it goes."""
        self._rows.sort()
        runs = [self._run(file) for file in self._runs]
        for t, _, row in heapq.merge(iter(self._rows), *runs):
            yield t, orjson.loads(row)
        self._rows = []

    def _spill(self) -> None:
        self._rows.sort()
        file = tempfile.TemporaryFile(prefix="tapewatch-sort-")  # noqa: SIM115 - closed when its run has been read
        for t, number, row in self._rows:
            file.write(b"%d %d %b" % (t, number, row))
        file.seek(0)
        self._runs.append(file)
        self._rows = []

    @staticmethod
    def _run(file: IO[bytes]) -> Iterator[tuple[int, int, bytes]]:
        with file:
            for line in file:
                t, number, row = line.split(b" ", 2)
                yield int(t), int(number), row
