"""Lines of recorded files, packed or not, each of bounded length: memory does not grow with the file or with a line."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import os
import stat
import sys
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, TextIO

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

#: A line may have so many characters. A frame of 8 MB was seen on the vendor's feed; nothing longer is useful.
MAX_LINE = 16 << 20
#: What a zstd file may ask for to look back (2**27 bytes are 128 MiB, the most that its own tool takes unasked).
_MAX_WINDOW_LOG = 27

#: What a file may raise while it is read.
UNREADABLE = (OSError, EOFError, zlib.error, zstd.ZstdError)


class NotAFile(ValueError):
    """A directory, pipe or device; the message names it."""


class Line(NamedTuple):
    """A line's number from 1 on, and its text with its end; None where it is longer than MAX_LINE or no UTF-8 text."""

    number: int
    text: str | None
    why: str = ""


def open_raw(path: Path) -> io.BufferedReader:
    """Opens a regular file. Raises NotAFile and OSError, and never waits for the other end of a pipe."""
    raw = open(path, "rb", opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK))  # noqa: SIM115
    if stat.S_ISREG(os.fstat(raw.fileno()).st_mode):
        return raw
    raw.close()
    raise NotAFile(f"{path} is no regular file: write it to a file first")


@contextlib.contextmanager
def unpacked(raw: io.BufferedReader) -> Iterator[TextIO]:
    """The text of an open file, unpacked where it begins as gzip or zstd does; bytes that are no UTF-8 become surrogates."""
    magic = raw.read(4)
    raw.seek(0)
    binary: Any = raw
    if magic[:2] == b"\x1f\x8b":
        binary = gzip.GzipFile(fileobj=raw)
    elif magic == b"\x28\xb5\x2f\xfd":
        binary = zstd.ZstdFile(raw, options={zstd.DecompressionParameter.window_log_max: _MAX_WINDOW_LOG})
    with io.TextIOWrapper(binary, "utf-8-sig", errors="surrogateescape", newline="") as text:
        yield text


def lines_of(text: TextIO) -> Iterator[Line]:
    """The lines one by one; a line that is too long is skipped in pieces. Raises the errors of UNREADABLE."""
    number = 0
    while words := text.readline(MAX_LINE + 1):
        number += 1
        if len(words) > MAX_LINE:
            while words and not words.endswith(("\n", "\r")):
                words = text.readline(MAX_LINE + 1)
            yield Line(number, None, f"longer than {MAX_LINE >> 20} MiB")
        elif words.isascii() or _is_utf8(words):
            yield Line(number, words)
        else:
            yield Line(number, None, "not UTF-8 text")


def _is_utf8(words: str) -> bool:
    try:
        words.encode()
    except UnicodeEncodeError:
        return False
    return True


def content_name(paths: Iterable[Path]) -> str:
    """``recording-`` and 12 hex digits of what the files hold, whatever their names and their order.

    Reads all of them (about 1 GB in a second). Raises NotAFile and OSError."""
    digests = []
    for path in paths:
        with open_raw(path) as raw:
            digests.append(hashlib.file_digest(raw, "sha256").digest())
    return f"recording-{hashlib.sha256(b''.join(sorted(digests))).hexdigest()[:12]}"
