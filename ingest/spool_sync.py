"""Group fsync: what many appends have written is forced to disk at once, beside the appends."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

from ingest.spool_errors import SpoolBroken

#: Where there is no fdatasync (macOS) its stronger sister does.
_force = getattr(os, "fdatasync", os.fsync)


class GroupSync:
    """Keeps the files written since the last sync. It owns every file handed to it, and closes it once it is safe.

    After an error the kernel may have thrown the unwritten pages away and calls the next fsync a success; so an error is final.
    """

    def __init__(self, enabled: bool) -> None:
        self.enabled = enabled
        self.durable = 0  # the last record known to be on disk
        self.broken: SpoolBroken | None = None
        self._folder_fd = -1
        self._fd = -1  # the file being written
        self._full: list[int] = []  # files written before it
        self._folder_changed = False
        self._changing = threading.Lock()  # held for moments: by the appending thread when it changes files
        self._syncing = threading.Lock()  # held while the disk works

    def start(self, folder_fd: int) -> None:
        self._folder_fd = folder_fd

    def write_to(self, fd: int) -> None:
        """From now on `fd` is written, a file that was just made; the one before will not be."""
        with self._changing:
            if self._fd >= 0:
                self._full.append(self._fd)
            self._fd = fd
            self._folder_changed = True
        if not self.enabled:
            self._close_full()

    def sync(self, last: Callable[[], int]) -> int:
        """Forces to disk what is written; `last` answers the number of the last record. The answer: the last durable one."""
        with self._syncing:
            if self.broken is not None:
                raise self.broken
            if self._fd < 0:
                return self.durable
            with self._changing:
                number = last()
                full, self._full = self._full, []
                folder_changed, self._folder_changed = self._folder_changed, False
            try:
                if self.enabled and (number > self.durable or full or folder_changed):
                    self._force(full, folder_changed)
            except OSError as error:
                self.broken = SpoolBroken(f"the spool cannot be forced to disk: {error.strerror}")
                raise self.broken from error
            finally:
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

    def _force(self, full: list[int], folder_changed: bool) -> None:
        # The current file may become a full one meanwhile, but only this class closes files, and only while `_syncing` is held.
        for fd in {*full, self._fd}:
            _force(fd)
        if folder_changed:
            os.fsync(self._folder_fd)

    def _close_full(self) -> None:
        with self._changing:
            full, self._full = self._full, []
        for fd in full:
            os.close(fd)
