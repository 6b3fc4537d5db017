"""The errors of the spool."""

from __future__ import annotations

import errno

#: The file system takes no more for now: what was written stays whole, and a later append may succeed.
#: EFBIG is a limit on the size of a file (RLIMIT_FSIZE), which an operator raises just as they free disk space.
_NO_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class SpoolError(Exception):
    """The spool cannot do what was asked."""


class SpoolFull(SpoolError):
    """The spool's own limit is reached and nothing in it is safe in Redis yet; the record was not taken."""


class DiskFull(SpoolError):
    """The disk (or its quota) is full; the record was not taken, and no part of it stays in the file."""


class SpoolBroken(SpoolError):
    """An I/O error after which the log can no longer be trusted: stop rather than guess."""


class SpoolLocked(SpoolError):
    """Another process has this spool open."""


def from_os(error: OSError, doing: str) -> SpoolError:
    """The error to raise for `error`, met while `doing` (a short phrase with the path)."""
    kind = DiskFull if error.errno in _NO_SPACE else SpoolBroken
    return kind(f"{doing}: {error.strerror or error}")
