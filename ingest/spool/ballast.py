"""Room on a disk that others may fill, held by a file: it is given up for records that shall not be shed."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

#: Of what is free at first, this part at most.
_SHARE = 10


class Ballast:
    """`held`: the room is there; `owed`: it was given up, and is to be taken again before others get any."""

    def __init__(self, path: Path, most: int) -> None:
        self._path = path
        self._most = most
        self._size = 0
        self.held = self.owed = False

    def take(self) -> None:
        """Makes the file. Raises OSError where there is no room; then nothing is left of it."""
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
        """Frees the room; False where it is not held."""
        if not self.held:
            return False
        self.held, self.owed = False, True
        with contextlib.suppress(OSError):  # then writing fails once more, and tells
            self._path.unlink()
        return True
