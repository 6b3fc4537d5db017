"""A place in one segment that moves from record to record, over damage too."""

from __future__ import annotations

import os
from types import TracebackType
from typing import NamedTuple, Self

from google_crc32c import value as crc32c

from ingest.spool.errors import SpoolBroken
from ingest.spool.segment import CHECKED_FROM, CORRUPT, HEADER, HEADER_BYTES, MAGIC, Record, Segment

_CHUNK = 256 * 1024
_PAYLOAD_FROM = HEADER_BYTES - CHECKED_FROM


class _Header(NamedTuple):
    magic: bytes
    behind: int  # where the next record begins, if the length is right
    number: int
    received_ms: int


class Cursor:
    """Reads `segment` from `offset`, where record `number` is expected. FileNotFoundError when the segment was deleted."""

    def __init__(self, segment: Segment, offset: int = 0, number: int | None = None) -> None:
        self.segment = segment
        self.offset = offset
        self.number = segment.first if number is None else number
        self.torn = False  # nothing valid follows, and how many numbers were here is unknown
        self._last_ms = 0
        self._buffer = b""
        self._base = offset  # where in the file the buffer begins
        self._fd = os.open(segment.path, os.O_RDONLY)

    def take(self, end: int, end_number: int | None, max_records: int, max_bytes: int) -> list[Record]:
        """Up to `max_records` records out of the first `end` bytes, stopping behind the one that reaches `max_bytes`.

        `end_number` is the number that follows the last record before `end`; None while opening, when it is to be found out:
        then a torn tail sets `torn` and is not stepped over. Damage comes as records of kind CORRUPT. Empty at the end.
        """
        records: list[Record] = []
        while self.offset < end and len(records) < max_records and max_bytes > 0:
            record = self._whole(end)
            if record is None:
                record = self._over_damage(end, end_number)
                if self.torn:
                    return records
                if record is None:
                    continue
            max_bytes -= HEADER_BYTES + len(record.payload)
            records.append(record)
        if self.offset >= end and end_number is not None and self.number < end_number and len(records) < max_records:
            records.append(self._lose(end_number, None))
        return records

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _whole(self, end: int) -> Record | None:
        """The record expected here; None when it is damaged or not complete."""
        at = self.offset - self._base
        if at + HEADER_BYTES > len(self._buffer):
            if not self._fill(HEADER_BYTES, end):
                return None
            at = 0
        magic, checksum, length, number, received_ms, kind = HEADER.unpack_from(self._buffer, at)
        size = HEADER_BYTES + length
        if magic != MAGIC or number != self.number:
            return None
        if at + size > len(self._buffer):
            if not self._fill(size, end):
                return None
            at = 0
        body = self._buffer[at + CHECKED_FROM : at + size]
        if crc32c(body) != checksum:
            return None
        if number >= self.segment.next_mark:
            self.segment.mark(number, self.offset, received_ms)
        self.offset += size
        self.number = number + 1
        self._last_ms = received_ms
        return Record(number, received_ms, kind, body[_PAYLOAD_FROM:])

    def _over_damage(self, end: int, end_number: int | None) -> Record | None:
        """Steps over what cannot be read here; None when no number went with it, or the tail is torn."""
        header = self._header(self.offset, end)
        if header is not None:
            following = self._header(header.behind, end)
            if following is not None and following.magic == MAGIC and following.number == self.number + 1:
                return self._lose_one(header, following.received_ms)
        found = self._search(end, end_number)
        if found is not None:
            self.offset, number = found
            return self._lose(number, None) if number > self.number else None
        if header is not None and header.behind == end and header.magic == MAGIC and header.number == self.number:
            return self._lose_one(header, header.received_ms)
        if end_number is None:
            self.torn = True
            return None
        self.offset = end
        return self._lose(end_number, None) if end_number > self.number else None

    def _search(self, end: int, end_number: int | None) -> tuple[int, int] | None:
        """(offset, number) of the next good record behind this place."""
        start = self.offset + 1
        while start + HEADER_BYTES <= end:
            window = self._read(start, min(_CHUNK, end - start))
            at = window.find(MAGIC)
            while at >= 0:
                number = self._good(start + at, end, end_number)
                if number is not None:
                    return start + at, number
                at = window.find(MAGIC, at + 1)
            if len(window) < len(MAGIC):
                break
            start += len(window) - len(MAGIC) + 1  # the magic may lie across the edge
        return None

    def _good(self, offset: int, end: int, end_number: int | None) -> int | None:
        """The number of the record at `offset`, if it is whole and can follow the damage."""
        header = self._header(offset, end)
        if header is None or header.behind > end:
            return None
        most = self.number + (offset - self.offset) // HEADER_BYTES  # no more records fit into the damage
        if not self.number <= header.number <= most or (end_number is not None and header.number >= end_number):
            return None
        record = self._read(offset, header.behind - offset)
        checksum = int.from_bytes(record[len(MAGIC) : CHECKED_FROM], "little")
        return header.number if crc32c(record[CHECKED_FROM:]) == checksum else None

    def _lose(self, until: int, received_ms: int | None) -> Record:
        """Gives up the numbers from here to before `until`."""
        record = Record(
            until - 1, self._last_ms if received_ms is None else received_ms, CORRUPT, b"", until - self.number
        )
        self.segment.note_damage(record.number, record.lost)
        self.number = until
        return record

    def _lose_one(self, header: _Header, latest_ms: int) -> Record:
        """Gives up the one record that `header` begins; its time is believed if it lies between those around it."""
        self.offset = header.behind
        believed = self._last_ms <= header.received_ms <= latest_ms
        return self._lose(self.number + 1, header.received_ms if believed else None)

    def _header(self, offset: int, end: int) -> _Header | None:
        """What stands at `offset`, right or wrong; None when that is too near the end."""
        raw = self._read(offset, HEADER_BYTES) if offset + HEADER_BYTES <= end else b""
        if len(raw) < HEADER_BYTES:
            return None
        magic, _, length, number, received_ms, _ = HEADER.unpack(raw)
        return _Header(magic, offset + HEADER_BYTES + length, number, received_ms)

    def _fill(self, need: int, end: int) -> bool:
        """Reads on from `offset`; False when there are fewer than `need` bytes before `end`."""
        if self.offset + need > end:
            return False
        self._buffer = self._read(self.offset, min(max(need, _CHUNK), end - self.offset))
        self._base = self.offset
        return len(self._buffer) >= need

    def _read(self, offset: int, size: int) -> bytes:
        try:
            return os.pread(self._fd, size, offset)
        except OSError as error:
            raise SpoolBroken(f"reading the spool ({self.segment.path.name}): {error.strerror}") from error
