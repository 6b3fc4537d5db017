"""The folder of a spool: taken by one process at a time, and made whole again after a crash."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from ingest.spool.cursor import Cursor
from ingest.spool.errors import SpoolLocked, from_os
from ingest.spool.segment import Segment, file_name, first_number, log


def lock(folder: Path) -> int:
    """Creates the folder if needed (mode 0700) and locks it until the returned descriptor is closed.

    Raises SpoolLocked when another process has it, SpoolBroken or DiskFull for errors of the disk.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise from_os(error, f"opening the spool {folder}") from error
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(fd, 0o700)
    except BlockingIOError:
        os.close(fd)
        raise SpoolLocked(f"the spool {folder} is in use by another process") from None
    except OSError as error:
        os.close(fd)
        raise from_os(error, f"taking the spool {folder}") from error
    return fd


def create(path: Path) -> int:
    """A descriptor that adds to the end of `path`, which is made if missing."""
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)


def recover(folder: Path) -> tuple[list[Segment], int]:
    """The segments there are, oldest first, and how many torn tails were cut (0 or 1). Raises SpoolBroken on an I/O error."""
    try:
        segments = _segments(folder)
        torn = _end(segments[-1]) if segments else 0
        for segment in segments[:-1]:
            _look_at_start(segment)
        return segments, torn
    except OSError as error:
        raise from_os(error, f"reading the spool {folder}") from error


def _segments(folder: Path) -> list[Segment]:
    numbers = sorted(number for path in folder.iterdir() if (number := first_number(path.name)) is not None)
    found = [(number, folder / file_name(number)) for number in numbers]
    for _, path in found[:-1]:
        if not path.stat().st_size:
            path.unlink()  # left over where numbering was advanced: its number was never given
    found = [(number, path) for number, path in found if path.exists()]
    ends = [number for number, _ in found[1:]]
    segments = [
        Segment(path, number, path.stat().st_size, end, sealed=True)
        for (number, path), end in zip(found[:-1], ends, strict=True)
    ]
    segments += [Segment(path, number, path.stat().st_size, number, sealed=False) for number, path in found[-1:]]
    return segments


def _look_at_start(segment: Segment) -> None:
    """Notes when the segment begins."""
    with Cursor(segment) as cursor:
        cursor.take(segment.size, segment.end_number, 1, 1)


def _end(segment: Segment) -> int:
    """Finds the end of the last segment and cuts what is torn; the number of cuts."""
    with Cursor(segment) as cursor:
        while cursor.take(segment.size, None, 1000, 1024 * 1024):
            pass
    torn = cursor.offset < segment.size
    if torn:
        log.warning("spool: %d bytes of a torn record cut from %s", segment.size - cursor.offset, segment.path.name)
        os.truncate(segment.path, cursor.offset)
    segment.committed = (cursor.offset, cursor.number)
    return int(torn)
