"""The most that folders hold on disk while something runs."""

from __future__ import annotations

import threading
from pathlib import Path
from types import TracebackType

MIB = 1 << 20
INTERVAL_S = 0.5


def size_mib(folder: Path) -> float:
    """MiB of all files under a folder; those that go away meanwhile count as 0."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:
            continue
    return total / MIB


class DiskPeak:
    """Looks every INTERVAL_S from a thread of its own: ``with DiskPeak(folders) as disk``, then `disk.mib`."""

    def __init__(self, *folders: Path) -> None:
        self.mib = 0.0
        self._folders = folders
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            self.mib = max(self.mib, sum(map(size_mib, self._folders)))

    def __enter__(self) -> DiskPeak:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._stop.set()
        self._thread.join()
        self.mib = max(self.mib, sum(map(size_mib, self._folders)))
