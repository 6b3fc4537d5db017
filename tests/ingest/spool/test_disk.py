"""The spool on full or failing disks, and after its process was killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.spool import sync as spool_sync
from ingest.spool.errors import DiskFull, SpoolBroken, SpoolLocked
from ingest.spool.log import Spool
from ingest.spool.segment import HEADER_BYTES
from tests.ingest.spool.test_log import everything, files, make
from tests.support import ROOT

MIB = 1024 * 1024


#: Files and folders that fit on the tiny disk.
INODES = 20


@pytest.fixture
def tiny_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of one MiB and few files."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = shutil.which("mount")
    if sys.platform != "linux" or os.geteuid() != 0 or mount is None:
        pytest.skip("mounting a small file system takes root on Linux")
    words = [mount, "-t", "tmpfs", "-o", f"size=1m,nr_inodes={INODES}", "tmpfs", str(folder)]
    made = subprocess.run(words, capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"no small file system can be mounted here: {made.stderr.strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill_disk(spool: Spool, size: int) -> None:
    """Appends until the disk is full."""

    def append_twice_what_fits() -> None:
        for _ in range(2 * MIB // size):
            spool.append(b"%07d" % (spool.last + 1) + b"x" * size, 1)

    with pytest.raises(DiskFull, match="No space left"):
        append_twice_what_fits()


def assert_whole(spool: Spool) -> None:
    """Checks that every number occurs once with its payload, and that no other byte is there."""
    records = everything(spool)
    assert [one.number for one in records] == list(range(spool.first, spool.last + 1))
    assert all(one.payload[:7] == b"%07d" % one.number for one in records)
    stored = sum(HEADER_BYTES + len(one.payload) for one in records)
    assert stored == spool.bytes == sum(path.stat().st_size for path in files(spool.folder))


class TestFullDisk:
    @pytest.mark.parametrize("segment_bytes", [16 * MIB, 70_000])
    @pytest.mark.parametrize("size", [10, 3_000, 200_000])
    def test_nothing_torn_stays_and_it_goes_on_when_there_is_room(
        self, tiny_disk: Path, size: int, segment_bytes: int
    ) -> None:
        ballast = tiny_disk / "ballast"
        ballast.write_bytes(b"b" * 300_000)
        with make(tiny_disk / "spool", segment_bytes=segment_bytes).open() as spool:
            fill_disk(spool, size)
            full = spool.last
            fill_disk(spool, size)
            assert_whole(spool)
            ballast.unlink()
            assert spool.append(b"%07d" % (full + 1) + b"x" * size, 2) >= full + 1
            fill_disk(spool, size)
            assert_whole(spool)
            last = spool.last
        with make(tiny_disk / "spool", segment_bytes=segment_bytes).open() as spool:
            assert (spool.last, spool.torn) == (last, 0)
            assert_whole(spool)

    def test_records_with_reserve_find_room_where_others_find_none_until_there_is_room_for_both(
        self, tiny_disk: Path
    ) -> None:
        theirs = tiny_disk / "theirs"
        theirs.write_bytes(b"b" * 300_000)
        with make(tiny_disk / "spool").open() as spool:
            fill_disk(spool, 3_000)
            full = spool.last
            for _ in range(20):
                spool.append(b"%07d" % (spool.last + 1) + b"x" * 2_000, 1, reserve=True)
            assert spool.last == full + 20
            with pytest.raises(DiskFull):
                spool.append(b"%07d" % (spool.last + 1), 1)
            theirs.unlink()
            fill_disk(spool, 3_000)
            assert spool.last > full + 20
            assert spool.append(b"%07d" % (spool.last + 1) + b"x" * 2_000, 1, reserve=True), "held again meanwhile"
            assert_whole(spool)

    def test_what_is_in_redis_already_makes_way_for_what_is_not(self, tiny_disk: Path) -> None:
        with make(tiny_disk / "spool", segment_bytes=100_000).open() as spool:
            for number in range(1, 10_001):
                spool.append(b"%07d" % number + b"x" * 1000, 1)
                spool.acknowledge(number - 200)
                assert spool.first <= max(1, number - 700), "no more goes than has to"
            assert spool.dropped > 50
            assert_whole(spool)

    def test_a_disk_that_takes_no_more_files(self, tiny_disk: Path) -> None:
        with make(tiny_disk / "spool", segment_bytes=2_000).open() as spool:
            fill_disk(spool, 500)
            assert spool.bytes < INODES * 2_000, "bytes there are enough"
            assert_whole(spool)
            for _ in range(100):
                spool.acknowledge(spool.last)
                spool.append(b"%07d" % (spool.last + 1) + b"x" * 500, 1)
            assert spool.last - spool.first > 40, "no more goes than has to"
            assert_whole(spool)

    def test_a_spool_on_a_full_disk_is_opened_and_read(self, tiny_disk: Path) -> None:
        with make(tiny_disk / "spool").open() as spool:
            fill_disk(spool, 3_000)
            last = spool.last
        (tiny_disk / "ballast").touch()
        with pytest.raises(OSError, match="No space left"):
            (tiny_disk / "ballast").write_bytes(b"b" * MIB)
        with make(tiny_disk / "spool").open() as spool:
            assert spool.last == last
            assert_whole(spool)
        with pytest.raises(DiskFull):
            make(tiny_disk / "other").open(first_after=3).append(b"x" * 5000, 1)

    def test_a_limit_on_the_size_of_files_counts_as_full(self, tmp_path: Path) -> None:
        """The kernel writes part of a record and fails for the rest, at any position."""
        script = """
import resource, sys
from pathlib import Path
from ingest.spool.log import Spool
from ingest.spool.errors import DiskFull
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), -1))
with Spool(Path(sys.argv[1]), limit_bytes=1 << 30, max_age_s=1e6).open() as spool:
    for attempt in range(2):
        try:
            while True:
                spool.append(b"%07d" % (spool.last + 1) + b"x" * 500, 1)
        except DiskFull as error:
            assert "File too large" in str(error), error
    resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
    spool.append(b"%07d" % (spool.last + 1), 1)
    print(spool.last)
"""
        for limit in (536, 10_000, 10_001, 10_719, 10_720, 10_721):
            folder = tmp_path / str(limit)
            last = int(run(script, folder, limit))
            assert last == limit // (HEADER_BYTES + 507) + 1
            with make(folder).open() as spool:
                assert (spool.last, spool.torn) == (last, 0)
                assert_whole(spool)


class TestBrokenDisk:
    def test_an_error_of_the_disk_ends_all_appending(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            spool.append(b"0000001", 1)
            spoil(spool, os.open("/dev/null", os.O_RDONLY))  # a file that may not be written
            for _ in range(2):
                with pytest.raises(SpoolBroken):
                    spool.append(b"0000002", 2)
            with pytest.raises(SpoolBroken):
                spool.sync()
            assert_whole(spool)
            with pytest.raises(SpoolBroken):
                spool.close()
        with make(tmp_path).open() as spool:
            assert spool.last == 1

    def test_a_failed_fsync_is_not_tried_again(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            spool.append(b"0000001", 1)
            read, write = os.pipe()  # takes bytes, and cannot be forced to disk
            spoil(spool, write)
            os.close(read)
            with pytest.raises(SpoolBroken, match="cannot be forced to disk"):
                spool.sync()
            spoil(spool, os.open(files(tmp_path)[0], os.O_WRONLY | os.O_APPEND))  # the disk would work again
            with pytest.raises(SpoolBroken, match="cannot be forced to disk"):
                spool.sync()
            with pytest.raises(SpoolBroken, match="cannot be forced to disk"):
                spool.append(b"0000002", 2)
            assert spool.durable == 0
            with pytest.raises(SpoolBroken):
                spool.close()

    def test_a_slow_disk_beside_segments_that_come_and_go(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        working, done = threading.Event(), threading.Event()
        force = spool_sync._force

        def slowly(fd: int) -> None:
            working.set()
            assert done.wait(60)
            force(fd)

        durable: list[int] = []
        with make(tmp_path, limit_bytes=32_000).open() as spool:
            spool.append(b"0000001", 1)
            monkeypatch.setattr(spool_sync, "_force", slowly)
            thread = threading.Thread(target=lambda: durable.append(spool.sync()))
            thread.start()
            assert working.wait(60)
            for _ in range(100):
                spool.acknowledge(spool.append(b"%07d" % (spool.last + 1) + b"x" * 1000, 1))
            assert spool.dropped > 50, "the file that is being forced to disk, too"
            assert spool.durable == 0
            done.set()
            thread.join(60)
            assert durable == [1]
            assert spool.sync() == 101
            assert_whole(spool)

    def test_a_segment_that_cannot_be_read_is_an_error(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            spool.append(b"a", 1)
        path = files(tmp_path)[0]
        path.unlink()
        path.mkdir()
        with pytest.raises(SpoolBroken, match="directory"):
            make(tmp_path).open()


class TestKilled:
    def test_every_append_that_returned_is_there(self, tmp_path: Path) -> None:
        script = """
import os, sys
from pathlib import Path
from ingest.spool.log import Spool
spool = Spool(Path(sys.argv[1]), limit_bytes=1 << 30, max_age_s=1e6, segment_bytes=100_000, fsync=False).open()
while True:
    number = spool.append(b"%07d" % (spool.last + 1) + b"x" * (spool.last * 7919 % 5000), 1)
    os.write(1, b"%d\\n" % number)
"""
        appended = 0
        for _ in range(6):
            child = start(script, tmp_path)
            assert child.stdout is not None
            want = appended + 400
            for line in child.stdout:
                appended = int(line)
                if appended >= want:
                    break
            child.send_signal(signal.SIGKILL)
            appended = max([appended, *(int(line) for line in child.stdout.read().splitlines())])
            child.wait()
            child.stdout.close()
            with make(tmp_path).open() as spool:
                assert appended <= spool.last <= appended + 1
                assert_whole(spool)
                assert spool.corrupt == 0
                appended = spool.last

    def test_a_killed_owner_lets_go_and_a_living_one_does_not(self, tmp_path: Path) -> None:
        script = """
import sys, time
from pathlib import Path
from ingest.spool.log import Spool
spool = Spool(Path(sys.argv[1]), limit_bytes=1 << 30, max_age_s=1e6).open()
print("open", flush=True)
time.sleep(600)
"""
        child = start(script, tmp_path)
        assert child.stdout is not None
        try:
            assert child.stdout.readline() == b"open\n"
            with pytest.raises(SpoolLocked, match="in use by another process"):
                make(tmp_path).open()
        finally:
            child.kill()
            child.wait()
            child.stdout.close()
        with make(tmp_path).open() as spool:
            assert spool.append(b"a", 1) == 1


def spoil(spool: Spool, fd: int) -> None:
    """Puts another file in place of the one being written."""
    os.dup2(fd, spool._fd)
    os.close(fd)


def start(script: str, *args: object) -> subprocess.Popen[bytes]:
    words = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.Popen(words, cwd=ROOT, stdout=subprocess.PIPE)


def run(script: str, *args: object) -> str:
    words = [sys.executable, "-c", script, *map(str, args)]
    return subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, check=True, text=True, timeout=60).stdout
