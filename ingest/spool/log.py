"""The spool: every frame of the feed in a local log before it is processed.

`append` hands a record to the kernel before it returns, so it outlives the process; `sync`, called from a thread every so often,
makes it outlive the machine. What is not in Redis yet is never deleted; what is, is kept as long as the limits allow, so that a
Redis emptied later can be filled again. The format on disk is documented in `segment.py`.
"""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import accumulate
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

from ingest.spool import folder as spool_folder
from ingest.spool.ballast import Ballast
from ingest.spool.cursor import Cursor
from ingest.spool.errors import SpoolBroken, SpoolError, SpoolFull, from_os
from ingest.spool.reader import Reader
from ingest.spool.segment import CORRUPT, DATA, HEADER_BYTES, MARK_EVERY, MAX_PAYLOAD, Segment, file_name, log, pack
from ingest.spool.sync import GroupSync

#: A frame as it came. (The name, because `Spool.bytes` is another thing.)
Payload: TypeAlias = bytes

#: The last part of the limit is kept for records appended with `reserve`.
_RESERVED = 10  # per cent
#: So much of the disk at most is kept for them too: some minutes of a watchlist.
_BALLAST_BYTES = 1 << 20
#: A segment is at most this part of the whole, or deleting the oldest would cost too much of what may be kept.
_LEAST_SEGMENTS = 16


class Spool:
    """One writer's log in `folder`. `append`, `acknowledge`, `rewind`, `advance` and `close` belong to one thread; `sync` may
    run in a second one, and each reader in its own.

    `limit_bytes` bounds the sum of all segments. Acknowledged segments whose newest record is older than `max_age_s` are deleted.
    With `fsync` off nothing is forced to disk and `sync` answers at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        limit_bytes: int,
        max_age_s: float,
        segment_bytes: int = 16 * 1024 * 1024,
        fsync: bool = True,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.torn = 0  # torn tails cut
        self.dropped = 0  # segments deleted
        self.first_of_run = 1  # the first number given since `open`
        self._limit = limit_bytes
        self._soft_limit = limit_bytes - limit_bytes * _RESERVED // 100
        self._segment_bytes = max(1, min(segment_bytes, limit_bytes // _LEAST_SEGMENTS, MAX_PAYLOAD))
        self._ballast = Ballast(folder / "reserve", min(_BALLAST_BYTES, limit_bytes * _RESERVED // 100))
        self._max_age_ms = max_age_s * 1000
        self._now = now
        self._segments: tuple[Segment, ...] = ()  # replaced, never changed: readers look at it from other threads
        self._bytes = 0
        self._lost_before = 0  # damage in segments deleted since
        self._next = 1
        self._acknowledged = 0
        self._room = 0  # bytes that may be appended without asking for more
        self._fd = -1
        self._folder_fd = -1
        self._sync = GroupSync(fsync)

    # opening and closing

    def open(self, first_after: int = 0) -> Self:
        """Takes up the folder (made if missing): cuts a torn tail and numbers on after the last good record, and in any case
        after `first_after`.

        Raises SpoolLocked when another process has it open, SpoolBroken or DiskFull when it cannot be used.
        """
        self._folder_fd = spool_folder.lock(self.folder)
        self._sync.start(self._folder_fd)
        try:
            segments, self.torn = spool_folder.recover(self.folder)
            self._segments = tuple(segments)
            self._bytes = sum(segment.size for segment in segments)
            self._next = segments[-1].end_number if segments else first_after + 1
            self._resume(segments)
            self.advance(first_after)
            self.sync()
            with suppress(OSError):  # on so full a disk it goes without
                self._ballast.take()
        except BaseException:
            self._release()
            raise
        self.first_of_run = self._next
        return self

    def close(self) -> None:
        """Forces all to disk and lets go of the folder. A second time: nothing. Raises SpoolBroken as `sync` does."""
        if self._folder_fd < 0:
            return
        try:
            self.sync()
        finally:
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # writing

    def append(self, payload: Payload, received_ms: int, kind: int = DATA, *, reserve: bool = False) -> int:
        """Writes one record and returns its number. With `reserve` it may use the last tenth of the limit, and on a full
        disk the space that is reserved for such records.

        Raises SpoolFull at the limit, DiskFull when the disk is full (both: nothing was written, a later try may succeed),
        SpoolBroken after any other I/O error, ValueError for more than MAX_PAYLOAD at once.
        """
        return self._write(pack(self._next, received_ms, kind, payload), received_ms, reserve)

    def sync(self) -> int:
        """Forces to disk what is written so far; returns the number of the last durable record. Safe beside `append`.

        Raises SpoolBroken when the disk fails; then `append` does so, too.
        """
        return self._sync.sync(lambda: self._next - 1)

    def acknowledge(self, number: int) -> None:
        """The effects of all records up to `number` are in Redis: they may be deleted when the limits ask for it."""
        self._acknowledged = max(self._acknowledged, min(number, self.last))
        oldest_kept = self._now() * 1000 - self._max_age_ms
        while len(self._segments) > 1:
            newer = self._segments[1].first_ms  # no record of the oldest segment was received later
            if newer is None or newer >= oldest_kept or not self._drop_oldest():
                return

    def give_way(self, size: int) -> int:
        """Deletes the oldest segments that are in Redis until `size` bytes are free again; returns the bytes freed."""
        before = self._bytes
        while before - self._bytes < size and len(self._segments) > 1 and self._drop_oldest():
            pass
        return before - self._bytes

    def rewind(self, number: int) -> None:
        """Redis holds no more than the effects of records up to `number`: what follows is kept until acknowledged again."""
        self._acknowledged = min(self._acknowledged, number)

    def advance(self, watermark: int) -> None:
        """Numbers on after `watermark` if numbering is behind it, as it is when the disk lost what Redis has seen."""
        if watermark >= self._next:
            log.warning("spool: numbering goes on after %d, though %d is the last record here", watermark, self.last)
            self._roll(watermark + 1)

    # reading

    def reader(self, after: int) -> Reader:
        """A reader of the records that follow number `after`."""
        return Reader(lambda: self._segments, after)

    def find_time(self, received_ms: int) -> int:
        """The number of the first record received at or after `received_ms`; the next one to be written if there is none.

        Where the clock was set back, times count as the latest time before them; within two marks of each other and at the
        start of segments that may put the answer a little later than the very first such record.
        """
        segments = self._segments
        latest = list(accumulate((segment.first_ms or 0 for segment in segments), max))
        behind = bisect_left(latest, received_ms)
        at = max(0, behind - 1)
        while at > 0 and segments[at].first_ms is None:
            at -= 1
        for segment in segments[at:behind]:
            number = self._first_at(segment, received_ms)
            if number is not None:
                return number
        return segments[behind].first if behind < len(segments) else segments[-1].end_number

    # figures

    @property
    def first(self) -> int:
        """The number of the oldest record kept (of the next one if there is none)."""
        return self._segments[0].first

    @property
    def last(self) -> int:
        """The number of the newest record."""
        return self._next - 1

    @property
    def durable(self) -> int:
        """The last record known to be on disk."""
        return self._sync.durable

    @property
    def acknowledged(self) -> int:
        return self._acknowledged

    @property
    def bytes(self) -> int:
        """Of all segments."""
        return self._bytes

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest record kept was received; None when there is none."""
        return self._segments[0].first_ms

    @property
    def corrupt(self) -> int:
        """Records found damaged, each counted once however often it is read."""
        return self._lost_before + sum(segment.lost for segment in self._segments)

    # within

    def _write(self, record: Payload, received_ms: int, reserve: bool) -> int:
        """Adds a record and returns its number."""
        size = len(record)
        if size > self._room or self._sync.broken is not None:
            self._make_room(size, reserve)
        try:
            written = os.write(self._fd, record)
            if written != size:
                self._write_all(record[written:])
        except OSError as error:
            self._write_again(record, error, reserve)
        segment = self._segments[-1]
        offset = segment.committed[0]
        number = self._next
        if number >= segment.next_mark:
            segment.mark(number, offset, received_ms)
        self._next = number + 1
        segment.committed = (offset + size, number + 1)
        self._bytes += size
        self._room -= size
        return number

    def _write_all(self, record: Payload) -> None:
        while record:
            record = record[os.write(self._fd, record) :]

    def _write_again(self, record: Payload, error: OSError, reserve: bool) -> None:
        """After a failed write: truncates the partial record and tries again while deleting segments frees space, finally
        the reserved space if `reserve`."""
        while True:
            try:
                os.ftruncate(self._fd, self._segments[-1].size)
            except OSError as worse:
                error = worse
            failure = self._failure(error, "writing")
            if isinstance(failure, SpoolBroken):
                raise failure from error
            if not self._drop_oldest() and not (reserve and self._give_up_ballast()):
                raise failure from error
            try:
                return self._write_all(record)
            except OSError as again:
                error = again

    def _give_up_ballast(self) -> bool:
        self._room = 0  # later records need space, and without `reserve` are rejected until it is reserved again
        return self._ballast.give_up()

    def _take_ballast(self) -> None:
        while True:
            try:
                return self._ballast.take()
            except OSError as error:
                failure = self._failure(error, "reserving space")
                if isinstance(failure, SpoolBroken) or not self._drop_oldest():
                    raise failure from error

    def _make_room(self, size: int, reserve: bool) -> None:
        """Called where an append goes beyond what is known to be free."""
        if self._sync.broken is not None:
            raise self._sync.broken
        if self._folder_fd < 0:
            raise SpoolError("the spool is closed")
        if size > HEADER_BYTES + MAX_PAYLOAD:
            raise ValueError(f"{size} bytes at once are more than the spool takes")
        if self._ballast.owed and not reserve:
            self._take_ballast()
        limit = self._limit if reserve else self._soft_limit
        while self._bytes + size > limit:
            if size > limit or not self._drop_oldest():
                raise SpoolFull(f"{self._bytes} bytes are spooled, of {limit} that may be")
        while self._segments[-1].size and self._segments[-1].size + size > self._segment_bytes:
            self._roll(self._next)
        free = min(self._segment_bytes - self._segments[-1].size, self._soft_limit - self._bytes)
        self._room = size if self._ballast.owed else max(size, free)

    def _roll(self, first: int) -> None:
        """Begins a segment with number `first`; on an error only old segments may have been deleted to free space."""
        path = self.folder / file_name(first)
        while True:
            try:
                fd = spool_folder.create(path)
                break
            except OSError as error:
                failure = self._failure(error, "beginning a segment")
                if isinstance(failure, SpoolBroken) or len(self._segments) < 2 or not self._drop_oldest():
                    raise failure from error
        self._sync.write_to(path, fd)
        self._fd = fd
        self._next = first
        before = self._segments
        self._segments = (*before, Segment(path, first, 0, first, sealed=False))
        for segment in before[-1:]:
            segment.sealed = True
            if not segment.size:
                self._delete(segment)
        for segment in self._segments[-2:-1]:
            segment.committed = (segment.size, first)  # another number than it was where numbering is advanced

    def _drop_oldest(self) -> bool:
        """Deletes the oldest segment if all of it is in Redis; False if there is none such."""
        oldest = self._segments[0]
        if not oldest.size or oldest.end_number - 1 > self._acknowledged:
            return False
        if len(self._segments) == 1:
            self._roll(self._next)
        self._delete(oldest)
        self._bytes -= oldest.size
        self._lost_before += oldest.lost
        self.dropped += 1
        return True

    def _delete(self, segment: Segment) -> None:
        self._segments = tuple(one for one in self._segments if one is not segment)
        self._sync.forget(segment.path)
        try:
            os.unlink(segment.path)
        except OSError as error:
            failure = self._failure(error, "deleting a segment")
            raise failure from error

    def _failure(self, error: OSError, doing: str) -> SpoolError:
        """The error to raise; one that leaves the log in doubt ends all appending."""
        failure = from_os(error, f"{doing} in the spool {self.folder}")
        if isinstance(failure, SpoolBroken):
            self._sync.broken = failure
        return failure

    def _resume(self, segments: Sequence[Segment]) -> None:
        """Goes on with the last segment. The one before may not have reached the disk either when its writer ended."""
        if not segments:
            return self._roll(self._next)
        try:
            for segment in segments[-2:]:
                self._fd = spool_folder.create(segment.path)
                self._sync.write_to(segment.path, self._fd)
        except OSError as error:
            raise from_os(error, f"opening the spool {self.folder}") from error

    def _release(self) -> None:
        self._sync.close()
        os.close(self._folder_fd)
        self._fd = self._folder_fd = -1
        self._room = -1

    @staticmethod
    def _first_at(segment: Segment, received_ms: int) -> int | None:
        """The first record of `segment` received at or after that time."""
        end, end_number = segment.committed
        try:
            with Cursor(segment, *segment.before_time(received_ms)) as cursor:
                while records := cursor.take(end, end_number, MARK_EVERY, 1024 * 1024):
                    for record in records:
                        if record.kind != CORRUPT and record.received_ms >= received_ms:
                            return record.number
        except FileNotFoundError:
            log.debug("spool: %s was deleted while a time was looked for", segment.path.name)
        return None
