"""Between the socket and the engine: every frame goes to the spool first, and from there, in order, to the engine.

The newest frames are also kept in memory, so that an engine that keeps up never reads the disk. One that fell behind, or
starts after a crash, reads the spool until it has caught up.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from enum import IntEnum
from itertools import islice
from time import perf_counter

import orjson

from ingest.clock import Clock
from ingest.spool.errors import DiskFull, SpoolFull
from ingest.spool.log import Spool
from ingest.spool.reader import Reader
from ingest.spool.segment import CONTROL, DATA, Record
from ingest.stage_latency import StageLatency
from ingest.watchlists import Watched

log = logging.getLogger("tapewatch.spool")

#: What the worker reads from disk at once.
READ_RECORDS, READ_BYTES = 256, 4 << 20
#: The spool takes everything again when nothing was refused for so long: at its limit it may take one frame and not the next.
CALM_S = 5.0


class Shed(IntEnum):
    """What is shed, in this order; events of watched symbols last, and only when nothing more fits."""

    NOTHING = 0
    UNWATCHED = 1
    EVERYTHING = 2


class FrameQueue:
    """Takes frames as they come (`put`), returns records in the order of the spool (`get`)."""

    def __init__(
        self,
        spool: Spool,
        memory_bytes: int,
        watched: Watched,
        clock: Clock | None = None,
        stages: StageLatency | None = None,
    ) -> None:
        """`watched`: whose events are kept longest when not everything fits."""
        self.shed_frames = 0
        self.level = Shed.NOTHING
        self._spool = spool
        self._memory_bytes = memory_bytes
        self._watched = watched
        self._clock = clock or Clock()
        self._stage = (stages or StageLatency()).spool
        self._recent: deque[Record] = deque()
        self._recent_bytes = 0
        self._from_disk: deque[Record] = deque()
        self._reader: Reader | None = None
        self._behind: Reader | None = None  # of records that are looked at before their turn
        self._next = spool.last + 1
        self._wake = asyncio.Event()
        self._closed = False
        self._full_since: float | None = None  # monotonic, while the spool or the disk is full
        self._full_at = 0.0  # when it refused last
        self._noted = False  # whether the spool has a mark for what is being shed

    # --- the feed's side

    def put(self, frame: bytes) -> None:
        """Appends a frame to the spool. What does not fit is shed, marked in the spool and counted. Raises SpoolBroken."""
        if self.level is not Shed.NOTHING and not self._noted:
            self._note()  # the disk was too full even for the mark
        if self._append(frame, DATA, reserve=False):
            if self.level is not Shed.NOTHING and self.mark("shed_end"):
                self.level, self._noted = Shed.NOTHING, False
            if self._full_since is not None and self.level is Shed.NOTHING:
                self._log_end()
            return
        self.shed_frames += 1
        part = self._watched.only(frame)
        fits = part is None or self._append(part, DATA, reserve=True)
        level = Shed.UNWATCHED if fits else Shed.EVERYTHING
        if level > self.level:
            self.level = level
            self._note()

    def _note(self) -> None:
        """Marks in the spool, in its place among the frames, what is shed from here on."""
        self._noted = self.mark("shed", level=self.level.name.lower())

    def _log_end(self) -> None:
        now = time.monotonic()
        if self._full_since is not None and now - self._full_at > CALM_S:
            log.warning(
                "the spool takes everything again, after %.0f s; %d frames were shed since the start",
                self._full_at - self._full_since, self.shed_frames,
            )  # fmt: skip
            self._full_since = None

    def _append(self, payload: bytes, kind: int, reserve: bool) -> bool:
        received, began = self._clock(), perf_counter()
        try:
            number = self._spool.append(payload, received, kind, reserve=reserve)
            self._stage.since(began)
        except (SpoolFull, DiskFull) as error:
            self._full_at = time.monotonic()
            if self._full_since is None:
                self._full_since = self._full_at
                log.error("the spool cannot take more, shedding unwatched symbols first: %s", error)
            return False
        self._recent.append(Record(number, received, kind, payload))
        self._recent_bytes += len(payload)
        while self._recent_bytes > self._memory_bytes and len(self._recent) > 1:
            self._recent_bytes -= len(self._recent.popleft().payload)
        self._wake.set()
        return True

    def mark(self, what: str, **more: str) -> bool:
        """Appends a mark among the frames: the feed connected, was lost, frames were shed; whether it fitted."""
        return self._append(orjson.dumps({"what": what, **more}), CONTROL, reserve=True)

    def close(self) -> None:
        """No more frames will come: `get` returns what is left, then None."""
        self._closed = True
        self._wake.set()

    # --- the worker's side

    def rewind(self, after: int) -> None:
        """`get` goes on with the first record after number `after`."""
        self._next = after + 1
        self._from_disk.clear()
        self._reader = None

    async def get(self) -> Record | None:
        """The next record in order; None when closed and nothing is left."""
        while True:
            record = self._take_recent() or self._take_spooled()
            if record is not None:
                self._next = record.number + 1
                return record
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()

    def _take_recent(self) -> Record | None:
        recent = self._recent
        while recent and recent[0].number < self._next:
            self._recent_bytes -= len(recent.popleft().payload)
        if recent and recent[0].number == self._next:
            self._from_disk.clear()
            self._reader = None
            record = recent.popleft()
            self._recent_bytes -= len(record.payload)
            return record
        return None

    def _take_spooled(self) -> Record | None:
        if not self._from_disk and self._next <= self._spool.last:
            if self._reader is None:
                self._reader = self._spool.reader(self._next - 1)
            self._from_disk.extend(self._reader.read(READ_RECORDS, READ_BYTES))
        return self._from_disk.popleft() if self._from_disk else None

    def behind(self, number: int, most: int) -> list[Record]:
        """Up to `most` records from `number` on, from memory or from disk; they stay in the queue. Numbers should ascend."""
        if number > self._spool.last:
            return []
        if self._recent and (skipped := number - self._recent[0].number) >= 0:
            self._behind = None
            return list(islice(self._recent, skipped, skipped + most))
        if self._behind is None or self._behind.next_number != number:
            self._behind = self._spool.reader(number - 1)
        return self._behind.read(most, READ_BYTES)

    @property
    def backlog(self) -> int:
        """Records that wait for the worker."""
        return max(0, self._spool.last - self._next + 1)

    @property
    def memory_bytes(self) -> int:
        return self._recent_bytes
