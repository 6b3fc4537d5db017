"""One file of the spool, and the format of a record in it.

A spool is a folder of segments. A segment is a file named after the number of its first record (20 digits and `.spool`) and
holds whole records, one after the other, numbered without holes. All integers are little-endian and unsigned:

    offset  bytes  field
         0      4  magic F7 "TW1"; F7 occurs in no UTF-8 text, so no text frame can look like the start of a record
         4      4  CRC32C (Castagnoli) of everything behind this field: header fields and payload
         8      4  length of the payload
        12      8  number of the record, consecutive through all segments
        20      8  time of receipt, epoch ms
        28      1  kind: 0 a frame of the feed, 1 a mark among the frames (JSON)
        29      -  payload

A record that does not match this format is damaged. If the record behind it lies where the damaged length points, one
record is lost; otherwise the next one with the magic, a valid checksum and a possible number is searched for, and all
between are lost. What follows the last good record of the last segment is a torn tail and is cut when the spool is opened;
only a last record that is complete but for its checksum is kept as a lost number: it was written, and bits flipped later.
"""

from __future__ import annotations

import logging
import re
import struct
import threading
from bisect import bisect_left, bisect_right
from pathlib import Path

import msgspec
from google_crc32c import value as crc32c

log = logging.getLogger("tapewatch.spool")

#: Kinds of records.
DATA = 0
CONTROL = 1
#: Never stored: what a reader hands out in place of records that cannot be read.
CORRUPT = 255

MAGIC = b"\xf7TW1"
HEADER = struct.Struct("<4sIIQQB")
HEADER_BYTES = HEADER.size
#: Where the checksummed part of a record begins.
CHECKED_FROM = 8
#: The longest payload; the feed's own limit is far below.
MAX_PAYLOAD = 64 * 1024 * 1024
#: One place in so many records is remembered, for finding a number or a time quickly.
MARK_EVERY = 256

_NAME = re.compile(r"(\d{20})\.spool")
_checked_part = struct.Struct("<IQQB").pack
_start = struct.Struct("<4sI").pack


class Record(msgspec.Struct, frozen=True, gc=False):
    """A record as read. Of kind CORRUPT it stands for the `lost` numbers that end with `number`: its time is the record's own
    where that can be believed, else the time of the last good one before (0 where there is none)."""

    number: int
    received_ms: int
    kind: int
    payload: bytes
    lost: int = 0


def pack(number: int, received_ms: int, kind: int, payload: bytes) -> bytes:
    """The bytes of one record."""
    body = _checked_part(len(payload), number, received_ms, kind) + payload
    return _start(MAGIC, crc32c(body)) + body


def file_name(first: int) -> str:
    """The name of the segment whose first record is number `first`."""
    return f"{first:020d}.spool"


def first_number(name: str) -> int | None:
    """The number in a segment's name; None for any other file (numbers begin at 1)."""
    found = _NAME.fullmatch(name)
    return int(found[1]) or None if found else None


class Segment:
    """What is known about one file: how far it is written, places within, and damage met so far."""

    def __init__(self, path: Path, first: int, size: int, end_number: int, sealed: bool) -> None:
        self.path = path
        self.first = first
        #: (bytes of whole records, number that follows the last of them): one tuple, so that a thread beside sees a true pair.
        self.committed = (size, end_number)
        self.sealed = sealed  # nothing will be added
        self.next_mark = first  # the first record from this number on is to be marked
        self._numbers: list[int] = []
        self._offsets: list[int] = []
        self._times: list[int] = []  # the latest of all marked times up to here: never falls, even if the clock did
        self._damage: dict[int, int] = {}  # last lost number -> how many
        self._lock = threading.Lock()

    @property
    def size(self) -> int:
        return self.committed[0]

    @property
    def end_number(self) -> int:
        return self.committed[1]

    @property
    def first_ms(self) -> int | None:
        """When the first record was received; None for an empty segment and where that record is damaged."""
        return self._times[0] if self._numbers and self._numbers[0] == self.first else None

    @property
    def lost(self) -> int:
        """Numbers found unreadable so far."""
        return sum(self._damage.values())

    def mark(self, number: int, offset: int, received_ms: int) -> None:
        """Remembers where a good record begins; called for records from `next_mark` on."""
        with self._lock:
            if number >= self.next_mark:
                self._times.append(max(received_ms, self._times[-1] if self._times else 0))
                self._offsets.append(offset)
                self._numbers.append(number)
                self.next_mark = number + MARK_EVERY

    def before_number(self, number: int) -> tuple[int, int]:
        """(offset, number) of the last place known at or before record `number`."""
        with self._lock:
            at = bisect_right(self._numbers, number) - 1
            return (self._offsets[at], self._numbers[at]) if at >= 0 else (0, self.first)

    def before_time(self, received_ms: int) -> tuple[int, int]:
        """(offset, number) of a place such that all marked records before it were received before `received_ms`."""
        with self._lock:
            at = bisect_left(self._times, received_ms) - 1
            return (self._offsets[at], self._numbers[at]) if at >= 0 else (0, self.first)

    def note_damage(self, last: int, lost: int) -> None:
        """Counts and logs unreadable numbers, once however often they are read."""
        with self._lock:
            known = self._damage.get(last, 0)
            self._damage[last] = max(known, lost)
        if not known:
            log.error("spool: %d damaged record(s) up to number %d in %s", lost, last, self.path.name)
