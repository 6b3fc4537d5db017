"""Disk space reserved by a file: it is released for records that must not be shed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: At most this part of the free space at the start.
_SHARE = 10


class Ballast:
    """`held`: the space is reserved; `owed`: it was released, and must be reserved again before other records are taken."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._size = 0
        self.held = self.owed = False

    def take(self) -> None:
        """Creates the file. Raises OSError when there is no space; then no file is left."""
        if not self._size:
            disk = os.statvfs(self._path.parent)
            self._size = min(self._most, disk.f_bavail * disk.f_frsize // _SHARE)
            if not self._size:
                return
        fd = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(fd, 0, self._size)
            else:
                os.write(fd, bytes(self._size))
        except OSError:
            with contextlib.suppress(OSError):
                self._path.unlink()
            raise
        finally:
            os.close(fd)
        self.held, self.owed = True, False

    def give_up(self) -> bool:
        """Releases the space; returns False if it is not reserved."""
        if not self.held:
            return False
        self.held, self.owed = False, True
        with contextlib.suppress(OSError):  # then the next write fails and reports it
            self._path.unlink()
        return True
