"""Group fsync: what many appends have written is forced to disk at once, beside the appends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

from ingest.spool.errors import SpoolBroken

#: Where there is no fdatasync (macOS) its stronger sister does.
_force = getattr(os, "fdatasync", os.fsync)


class GroupSync:
    """Keeps the files written since the last sync. It owns every file handed to it, and closes it once it is safe.
    `sync` and `close` may be called from any thread; the rest belongs to the one that appends.

    After an error the kernel may have dropped the unwritten pages and report the next fsync as successful; so an error is final.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.durable = 0  # the last record known to be on disk
        self.broken: SpoolBroken | None = None
        self._folder_fd = -1
        self._fd = -1  # the file being written
        self._path = Path()
        self._full: dict[Path, int] = {}  # files written before it
        self._forcing = -1  # the file that was being written when the sync under way began
        self._folder_changed = False
        self._changing = threading.Lock()  # held for moments: by the appending thread when it changes files
        self._syncing = threading.Lock()  # held while the disk works

    def start(self, folder_fd: int) -> None:
        self._folder_fd = folder_fd

    def write_to(self, path: Path, fd: int) -> None:
        """From now on `fd` is written, the file `path` that was just made; the one before will not be."""
        with self._changing:
            if self._fd >= 0:
                self._full[self._path] = self._fd
            self._fd = fd
            self._path = path
            self._folder_changed = True
        if not self.enabled:
            self._close_full()

    def forget(self, path: Path) -> None:
        """The file was deleted: it need not be forced to disk, and must not be held open, or its space would not be free."""
        with self._changing:
            if self._full.get(path, -1) in (-1, self._forcing):
                return  # one that is being forced is closed by the next sync
            fd = self._full.pop(path)
        os.close(fd)

    def sync(self, last: Callable[[], int]) -> int:
        """Forces what is written to disk; `last` returns the number of the last record. Returns the last durable number.

        Raises SpoolBroken when an earlier fsync failed.
        """
        with self._syncing:
            if self.broken is not None:
                raise self.broken
            if self._fd < 0:
                return self.durable
            with self._changing:
                number = last()
                full, self._full = list(self._full.values()), {}
                folder_changed, self._folder_changed = self._folder_changed, False
                self._forcing = self._fd
            try:
                if self.enabled and (number > self.durable or full or folder_changed):
                    for fd in (*full, self._forcing):
                        _force(fd)
                    if folder_changed:
                        os.fsync(self._folder_fd)
            except OSError as error:
                self.broken = SpoolBroken(f"the spool cannot be forced to disk: {error.strerror}")
                raise self.broken from error
            finally:
                with self._changing:
                    self._forcing = -1
                for fd in full:
                    os.close(fd)
            self.durable = max(number, self.durable)
            return self.durable

    def close(self) -> None:
        """Lets go of all files, unsynced."""
        with self._syncing:
            self._close_full()
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _close_full(self) -> None:
        with self._changing:
            full, self._full = self._full, {}
        for fd in full.values():
            os.close(fd)
