"""The spool compared with a plain list, over appends, kills, cuts, flipped bits, acknowledgements and full disks in any order."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ingest.spool import cursor as spool_cursor
from ingest.spool import segment as spool_segment
from ingest.spool.errors import SpoolFull
from ingest.spool.log import Spool
from ingest.spool.reader import Reader
from ingest.spool.segment import CONTROL, CORRUPT, DATA, HEADER_BYTES, MAGIC, Record
from tests.ingest.spool.test_log import everything, files

LIMIT = 24 * 1024  # segments of 1.5 KiB
SOFT_LIMIT = LIMIT - LIMIT // 10

payloads = st.one_of(
    st.binary(max_size=40),
    st.just(MAGIC * 3),
    st.integers(0, 3000).map(lambda size: b"x" * size),
)
places = st.floats(0, 1, exclude_max=True)


@dataclass
class Stored:
    """What was appended, and where its bytes are."""

    record: Record
    path: Path
    begin: int
    end: int


class SpoolMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="spool-"))
        self.usual = (spool_segment.MARK_EVERY, spool_cursor._CHUNK)
        spool_segment.MARK_EVERY, spool_cursor._CHUNK = 3, 100  # so that edges are met often
        self.stored: dict[int, Stored] = {}
        self.gone: set[int] = set()  # cut off or left out
        self.flips: set[tuple[Path, int]] = set()  # bits that are not as they were written
        self.now_ms = 1000
        self.acknowledged = 0
        self.read_up_to = 0
        self.age_s = 1e9

    def teardown(self) -> None:
        self.reader.close()
        self.spool.close()
        spool_segment.MARK_EVERY, spool_cursor._CHUNK = self.usual
        shutil.rmtree(self.folder)

    # opening

    @initialize(age_s=st.sampled_from([0.5, 1e9]))
    def begin(self, age_s: float) -> None:
        self.age_s = age_s
        self.open(0)

    def open(self, first_after: int) -> None:
        self.spool = Spool(
            self.folder, limit_bytes=LIMIT, max_age_s=self.age_s, fsync=False, now=lambda: self.now_ms / 1000
        )
        self.spool.open(first_after)
        self.reader: Reader = self.spool.reader(self.read_up_to)
        self.spool.acknowledge(self.acknowledged)

    def reopen(self, crashed: bool) -> None:
        last, torn = self.spool.last, self.damaged()
        self.reader.close()
        if crashed:
            self.spool._release()  # what the kernel does for the dead
        else:
            self.spool.close()
        bytes_before = self.spool.bytes
        # a number that a consumer has seen must not be given again
        self.open(max(self.read_up_to, self.acknowledged))
        cut = {number for number in self.stored if number >= self.spool.first_of_run}
        assert cut <= torn, "only damaged records are cut"
        for number in cut:
            del self.stored[number]
        if not torn:
            assert (self.spool.last, self.spool.bytes, self.spool.torn) == (last, bytes_before, 0)
        # numbers that were never given, or were cut and then skipped
        self.gone |= {number for number in range(self.spool.first, self.spool.last + 1) if number not in self.stored}
        self.gone = {number for number in self.gone if self.spool.first <= number <= self.spool.last}
        sizes = {path: path.stat().st_size for path in files(self.folder)}
        self.flips = {(path, bit) for path, bit in self.flips if bit < sizes.get(path, 0) * 8}

    @rule(crashed=st.booleans())
    def restart(self, crashed: bool) -> None:
        self.reopen(crashed)

    # faults of the disk

    def damaged(self) -> set[int]:
        """Numbers that cannot be read any more."""
        sizes = {path: path.stat().st_size for path in files(self.folder)}
        cut = {number for number, one in self.stored.items() if one.end > sizes.get(one.path, 0)}
        flipped = {
            number
            for number, one in self.stored.items()
            if any(path == one.path and one.begin * 8 <= bit < one.end * 8 for path, bit in self.flips)
        }
        return self.gone | cut | flipped

    @precondition(lambda self: self.spool.bytes)
    @rule(file=places, place=places)
    def flip_a_bit(self, file: float, place: float) -> None:
        path = self.pick(file)
        raw = bytearray(path.read_bytes())
        if raw:
            bit = int(place * len(raw) * 8)
            raw[bit // 8] ^= 1 << bit % 8
            with path.open("r+b") as out:
                out.write(raw)
            self.flips ^= {(path, bit)}

    @precondition(lambda self: self.stored)
    @rule(which=places, at=st.integers(0, HEADER_BYTES * 8 - 1))
    def flip_a_bit_of_a_header(self, which: float, at: int) -> None:
        one = [*self.stored.values()][int(which * len(self.stored))]
        if one.path.exists() and one.end <= one.path.stat().st_size:
            raw = bytearray(one.path.read_bytes())
            bit = one.begin * 8 + at
            raw[bit // 8] ^= 1 << bit % 8
            with one.path.open("r+b") as out:
                out.write(raw)
            self.flips ^= {(one.path, bit)}

    @precondition(lambda self: self.spool.bytes)
    @rule(place=places)
    def crash_and_tear_the_tail(self, place: float) -> None:
        path = files(self.folder)[-1]
        self.cut(path, int(path.stat().st_size * place))

    @precondition(lambda self: self.spool.bytes)
    @rule(file=places, place=places)
    def crash_and_cut_any_segment(self, file: float, place: float) -> None:
        path = self.pick(file)
        self.cut(path, int(path.stat().st_size * place))

    def cut(self, path: Path, size: int) -> None:
        with path.open("r+b") as out:
            out.truncate(size)
        self.reopen(crashed=True)

    def pick(self, place: float) -> Path:
        paths = files(self.folder)
        return paths[int(place * len(paths))]

    # actions of the daemon

    @rule(payload=payloads, kind=st.sampled_from([DATA, CONTROL]), ms=st.integers(0, 100), reserve=st.booleans())
    def append(self, payload: bytes, kind: int, ms: int, reserve: bool) -> None:
        self.now_ms += ms
        self.add(payload, kind, reserve)

    @rule(batch=st.lists(payloads, max_size=12), ms=st.integers(0, 100))
    def append_several(self, batch: list[bytes], ms: int) -> None:
        self.now_ms += ms
        for payload in batch:
            self.add(payload, DATA, False)

    def add(self, payload: bytes, kind: int, reserve: bool) -> None:
        before = self.spool.last
        size = HEADER_BYTES + len(payload)
        try:
            number = self.spool.append(payload, self.now_ms, kind, reserve=reserve)
        except SpoolFull:
            assert self.spool.bytes + size > (LIMIT if reserve else SOFT_LIMIT)
            assert self.spool.last == before
            oldest = max(number for number in range(self.spool.first, before + 1) if self.in_first_file(number))
            assert oldest > self.acknowledged or size > SOFT_LIMIT, "what could make way did"
            return
        assert number == before + 1
        path = files(self.folder)[-1]
        end = path.stat().st_size
        self.stored[number] = Stored(Record(number, self.now_ms, kind, payload), path, end - size, end)
        assert end >= size

    def in_first_file(self, number: int) -> bool:
        paths = files(self.folder)
        return len(paths) == 1 or number < int(paths[1].stem)

    @rule()
    def sync(self) -> None:
        assert self.spool.sync() == self.spool.last

    @rule(part=places)
    def acknowledge(self, part: float) -> None:
        number = int(part * (self.spool.last + 2))
        self.spool.acknowledge(number)
        self.acknowledged = max(self.acknowledged, min(number, self.spool.last))

    @rule(part=places)
    def redis_comes_back_with_less(self, part: float) -> None:
        self.acknowledged = int(part * self.acknowledged)
        self.spool.rewind(self.acknowledged)
        self.read_up_to = self.acknowledged
        self.reader.close()
        self.reader = self.spool.reader(self.read_up_to)

    @rule(records=st.integers(1, 30), size=st.integers(1, 5000))
    def read_on(self, records: int, size: int) -> None:
        skipped = self.reader.skipped
        taken = self.reader.read(records, size)
        assert len(taken) <= records
        self.read_up_to += self.reader.skipped - skipped
        for record in taken:
            assert record.number - max(1, record.lost) == self.read_up_to
            self.read_up_to = record.number
            if record.kind != CORRUPT:
                assert record == self.stored[record.number].record
        self.check_lost(taken)
        if not taken:
            assert self.read_up_to >= self.spool.last

    def check_lost(self, records: list[Record]) -> None:
        damaged = self.damaged()
        for record in records:
            lost = set(range(record.number - record.lost + 1, record.number + 1))
            here = {number for number in lost if number >= self.spool.first}
            assert here <= damaged, "nothing that is whole is given up"

    # invariants

    @invariant()
    def all_that_is_whole_is_there(self) -> None:
        damaged = self.damaged()
        with self.spool.reader(0) as reader:
            assert bool(reader.read(1)) == (self.spool.last >= self.spool.first)
            assert reader.skipped == self.spool.first - 1
        records = everything(self.spool)
        reached = self.spool.first - 1
        for record in records:
            assert record.number - max(1, record.lost) == reached
            reached = record.number
            if record.kind != CORRUPT:
                assert record == self.stored[record.number].record
                assert record.number not in damaged
        assert reached == self.spool.last
        self.check_lost(records)
        assert self.spool.corrupt >= len([n for n in damaged if self.spool.first <= n <= self.spool.last])

    @invariant()
    def nothing_needed_was_deleted(self) -> None:
        missing = {number for number in self.stored if number < self.spool.first}
        assert all(number <= self.acknowledged or number in self.damaged() for number in missing)
        for number in missing:
            del self.stored[number]

    @invariant()
    def sizes_are_known(self) -> None:
        assert self.spool.bytes <= LIMIT
        assert self.spool.bytes == sum(path.stat().st_size for path in files(self.folder))
        assert self.spool.acknowledged == self.acknowledged

    @rule(back=st.integers(-50, 1000))
    def find_time(self, back: int) -> None:
        ms = self.now_ms - back
        damaged = self.damaged()
        whole = {number: one.record.received_ms for number, one in self.stored.items() if number not in damaged}
        found = self.spool.find_time(ms)
        assert self.spool.first <= found <= self.spool.last + 1
        assert all((time >= ms) == (number >= found) for number, time in whole.items())


SpoolMachine.TestCase.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSpoolModel = SpoolMachine.TestCase
