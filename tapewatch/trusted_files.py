"""Files and folders that the program believes: nobody but their owner, this user or root, may change them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from tapewatch.settings import BadSettings


def changeable_by_others(path: Path) -> str:
    """Why others may change the file or folder, as the end of a sentence; empty when they may not, or it is not there."""
    try:
        status = path.stat()
    except OSError:
        return ""
    # In a folder with the sticky bit, such as /tmp, nobody changes what belongs to another.
    if status.st_mode & stat.S_IWOTH and not status.st_mode & stat.S_ISVTX:
        return f"everybody may write it: chmod o-w {path}"
    if os.geteuid() != 0 and status.st_uid not in (os.geteuid(), 0):
        return f"it belongs to another user: sudo chown {os.geteuid()} {path}"
    return ""


def readable_by_others(path: Path) -> bool:
    """Whether users other than the owner may read it; False when it is not there."""
    try:
        return bool(path.stat().st_mode & 0o077)
    except OSError:
        return False


def secure_folder(folder: Path) -> None:
    """Creates the data folder, for its owner only; one that is there keeps its mode.

    Raises BadSettings when others may change it, or it cannot be created.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise BadSettings(
            f"cannot make the data folder {folder.resolve()}: {error.strerror}; set TAPEWATCH_DATA_DIR"
        ) from None
    if why := changeable_by_others(folder):
        raise BadSettings(f"the data folder {folder.resolve()} cannot be trusted, {why}")
