"""Faults: a spool file cut or with a bit flipped, a wall clock that steps, a disk that is nearly full."""

from __future__ import annotations

import os
import struct
import subprocess
from pathlib import Path

#: Of the spool's format (see ingest/spool/segment.py), repeated here on purpose: length at 8, kind at 28, payload at 29.
_MAGIC, _LENGTH_AT, _KIND_AT, _HEADER = b"\xf7TW1", 8, 28, 29
_FRAME = 0
#: Where Debian's package `faketime` puts its library.
FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


def records(path: Path) -> list[tuple[int, int, int]]:
    """(offset, size, kind) of every record of an undamaged file, without a torn one at its end."""
    raw, at, found = path.read_bytes(), 0, []
    while at + _HEADER <= len(raw):
        assert raw[at : at + 4] == _MAGIC, f"no record at {at} of {path.name}"
        size = _HEADER + int(struct.unpack_from("<I", raw, at + _LENGTH_AT)[0])
        if at + size > len(raw):
            break
        found.append((at, size, raw[at + _KIND_AT]))
        at += size
    return found


def cut_last_record(path: Path) -> None:
    """Leaves half of the last record, as a crash during a write would."""
    offset, size, _ = records(path)[-1]
    os.truncate(path, offset + size // 2)


def flip_bit(path: Path, from_the_end: int) -> None:
    """Flips one bit in the payload of the frame number `from_the_end` (1: the last)."""
    offset, size, _ = [one for one in records(path) if one[2] == _FRAME][-from_the_end]
    with path.open("r+b") as file:
        file.seek(offset + _HEADER + (size - _HEADER) // 2)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 0x04]))


def stepped_clock(file: Path) -> dict[str, str]:
    """Environment for a process whose wall clock follows `file` (see `step_clock`); its monotonic clock stays real."""
    step_clock(file, 0)
    return {
        "LD_PRELOAD": str(FAKETIME), "FAKETIME_TIMESTAMP_FILE": str(file), "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1",
    }  # fmt: skip


def step_clock(file: Path, seconds: int) -> None:
    """Sets the clock of `stepped_clock` to the real time plus `seconds`."""
    fresh = file.with_suffix(".new")
    fresh.write_text(f"{seconds:+d}s\n")
    fresh.replace(file)


def mount_small(folder: Path, kilobytes: int) -> None:
    """Mounts a disk of `kilobytes` KB at `folder`; needs root."""
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", folder], check=True)
