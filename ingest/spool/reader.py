"""Reading the spool in order, across segments, while it is being written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import msgspec

from ingest.spool.cursor import Cursor
from ingest.spool.errors import SpoolBroken
from ingest.spool.segment import CORRUPT, Record, Segment


class Reader:
    """Records behind number `after`. May run in another thread than the one that appends, one thread to a reader.

    `segments` returns the segments there are now, oldest first; the last one is being written.
    """

    def __init__(self, segments: Callable[[], Sequence[Segment]], after: int) -> None:
        self.skipped = 0  # numbers asked for that were deleted before they could be read
        self._segments = segments
        self._number = after + 1  # the next to return
        self._cursor: Cursor | None = None

    @property
    def next_number(self) -> int:
        """The number of the next record that `read` will return, if it still exists then."""
        return self._number

    def read(self, max_records: int = 1000, max_bytes: int = 1024 * 1024) -> list[Record]:
        """The next whole records, at least one if there is any; stops behind the one that reaches `max_bytes`. Empty when
        there are no more for now. Numbers that cannot be read come as records of kind CORRUPT.

        Raises SpoolBroken when the disk does not answer.
        """
        records: list[Record] = []
        while len(records) < max_records and max_bytes > 0:
            cursor = self._cursor or self._open()
            sealed = cursor.segment.sealed  # asked before `committed`: a sealed segment grows no more
            end, end_number = cursor.segment.committed
            taken = cursor.take(end, end_number, max_records - len(records), max_bytes)
            if not taken:
                if not sealed:
                    break
                self.close()
                self._number = max(self._number, end_number)
                continue
            if taken[0].number - taken[0].lost < self._number:
                taken = self._wanted(taken)
            for record in taken:
                max_bytes -= len(record.payload)
            if taken:
                self._number = taken[-1].number + 1
                records += taken
        return records

    def close(self) -> None:
        if self._cursor is not None:
            self._cursor.close()
            self._cursor = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open(self) -> Cursor:
        """A cursor at the next number or a little before it, or at the oldest record there is."""
        tried: Segment | None = None
        while True:
            segments = self._segments()
            segment = next((one for one in segments if one.end_number > self._number), segments[-1])
            if segment.first > self._number:
                self.skipped += segment.first - self._number
                self._number = segment.first
            try:
                self._cursor = Cursor(segment, *segment.before_number(self._number))
            except FileNotFoundError:
                if segment is tried:  # not deleted by us, or it would have left the list
                    raise SpoolBroken(f"the spool's segment {segment.path.name} has vanished") from None
                tried = segment
                continue
            return self._cursor

    def _wanted(self, records: list[Record]) -> list[Record]:
        """`records` without the numbers before the next one."""
        due = [record for record in records if record.number >= self._number]
        if due and due[0].kind == CORRUPT:
            most = due[0].number - self._number + 1
            due[0] = msgspec.structs.replace(due[0], lost=min(due[0].lost, most))
        return due
