"""The spool without faults: numbers, order, limits, retention."""

from __future__ import annotations

import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ingest.spool.errors import SpoolError, SpoolFull, SpoolLocked
from ingest.spool.log import Spool
from ingest.spool.segment import CONTROL, CORRUPT, DATA, HEADER_BYTES, MAX_PAYLOAD, Record

SMALL = 32 * 1024  # a limit that makes segments of 2 KiB


def make(folder: Path, **options: Any) -> Spool:
    return Spool(folder, **{"limit_bytes": 1 << 30, "max_age_s": 1e6, "now": lambda: 0.0, **options})


def everything(spool: Spool, after: int = 0) -> list[Record]:
    with spool.reader(after) as reader:
        records: list[Record] = []
        while more := reader.read(7, 500):
            records += more
        return records


def fill(spool: Spool, count: int, size: int = 100, *, reserve: bool = False) -> None:
    for _ in range(count):
        spool.append(b"x" * size, spool.last + 1, reserve=reserve)


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.spool"))


def beside(action: Callable[[], object], until: Callable[[], bool]) -> threading.Thread:
    def repeat() -> None:
        while not until():
            action()

    return threading.Thread(target=repeat, daemon=True)


def test_records_come_back_as_they_were_given(tmp_path: Path) -> None:
    with make(tmp_path / "deep" / "spool").open() as spool:
        assert spool.append(b'[{"ev":"A"}]', 1_700_000_000_000) == 1
        assert spool.append(b"", 1_700_000_000_001, CONTROL) == 2
        assert spool.append(b"\x00\xff" * 300_000, 1_700_000_000_002) == 3
        expected = [
            Record(1, 1_700_000_000_000, DATA, b'[{"ev":"A"}]'),
            Record(2, 1_700_000_000_001, CONTROL, b""),
            Record(3, 1_700_000_000_002, DATA, b"\x00\xff" * 300_000),
        ]
        assert everything(spool) == expected
        assert everything(spool, 2) == expected[2:]
        assert everything(spool, 3) == []
        assert (spool.first, spool.last, spool.oldest_ms) == (1, 3, 1_700_000_000_000)
        assert spool.bytes == sum(path.stat().st_size for path in files(spool.folder)) == 3 * HEADER_BYTES + 600_012


def test_an_empty_spool(tmp_path: Path) -> None:
    with make(tmp_path).open() as spool:
        assert everything(spool) == []
        assert (spool.first, spool.last, spool.bytes, spool.oldest_ms) == (1, 0, 0, None)
        assert (spool.find_time(5), spool.sync()) == (1, 0)


def test_numbers_go_on_where_they_ended(tmp_path: Path) -> None:
    for run in range(3):
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            assert spool.first_of_run == run * 30 + 1
            fill(spool, 30)
    with make(tmp_path, limit_bytes=SMALL).open() as spool:
        assert [record.number for record in everything(spool)] == list(range(1, 91))
        assert len(files(tmp_path)) > 3
        assert files(tmp_path)[0].name == "00000000000000000001.spool"


def test_only_the_owner_may_look(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    folder.mkdir(mode=0o755)
    with make(folder).open() as spool:
        spool.append(b"a", 1)
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert [stat.S_IMODE(path.stat().st_mode) for path in files(folder)] == [0o600]


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    with make(tmp_path).open() as spool:
        spool.append(b"a", 1)
        with pytest.raises(SpoolLocked, match="in use by another process"):
            make(tmp_path).open()
        spool.append(b"b", 1)
    with make(tmp_path).open() as spool:
        assert spool.last == 2


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SpoolError, match="opening the spool"):
        make(tmp_path / "file" / "spool").open()


def test_files_of_others_are_left_alone(tmp_path: Path) -> None:
    others = [tmp_path / "notes.txt", tmp_path / "1.spool", tmp_path / "00000000000000000009.spool.old"]
    for path in others:
        path.write_text("mine")
    with make(tmp_path).open() as spool:
        spool.append(b"a", 1)
        assert [one.number for one in everything(spool)] == [1]
    assert [path.read_text() for path in others] == ["mine"] * 3


def test_nothing_is_taken_after_closing(tmp_path: Path) -> None:
    spool = make(tmp_path).open()
    spool.append(b"a", 1)
    spool.close()
    spool.close()
    with pytest.raises(SpoolError, match="closed"):
        spool.append(b"b", 2)
    assert spool.sync() == 1


def test_a_payload_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with make(tmp_path).open() as spool:
        with pytest.raises(ValueError, match="more than the spool takes"):
            spool.append(b"x" * (MAX_PAYLOAD + 1), 1)
        assert spool.append(b"x", 1) == 1


def test_syncing_beside_segments_that_come_and_go(tmp_path: Path) -> None:
    done: list[int] = []
    failures: list[Exception] = []
    with make(tmp_path, limit_bytes=SMALL).open() as spool:

        def sync() -> None:
            try:
                before = spool.last
                assert before <= spool.sync() <= spool.last
            except Exception as error:
                failures.append(error)

        thread = beside(sync, lambda: bool(done or failures))
        thread.start()
        for _ in range(2_000):
            spool.acknowledge(spool.append(b"x" * 1000, 1))
        done.append(1)
        thread.join(60)
        assert not failures
        assert spool.dropped > 500


@pytest.mark.parametrize("fsync", [True, False])
def test_sync_tells_how_far_it_reached(tmp_path: Path, fsync: bool) -> None:
    with make(tmp_path, limit_bytes=SMALL, fsync=fsync).open() as spool:
        fill(spool, 100)
        assert spool.durable == 0
        assert spool.sync() == 100
        assert spool.sync() == spool.durable == 100
        fill(spool, 1)
        assert spool.durable == 100
        assert spool.sync() == 101


def test_descriptors_are_given_back(tmp_path: Path) -> None:
    def open_files() -> int:
        return len(list(Path("/proc/self/fd").iterdir()))

    if not Path("/proc/self/fd").exists():
        pytest.skip("counts open files in /proc")
    before = open_files()
    for fsync in (True, False):
        with make(tmp_path / str(fsync), limit_bytes=SMALL, fsync=fsync).open() as spool:
            fill(spool, 100)
            everything(spool)
            spool.acknowledge(spool.last)
            fill(spool, 200)
            spool.find_time(250)
        assert open_files() == before
    with make(tmp_path).open(), pytest.raises(SpoolLocked):
        make(tmp_path).open()
    assert open_files() == before


class TestLimits:
    def test_a_full_spool_refuses_and_loses_nothing(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            taken = spool.last
            assert SMALL * 0.9 - 2 * (100 + HEADER_BYTES) < spool.bytes <= SMALL * 0.9
            with pytest.raises(SpoolFull):
                spool.append(b"x" * 100, 1)
            assert [one.number for one in everything(spool)] == list(range(1, taken + 1))

    def test_the_last_tenth_is_for_what_matters(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            ordinary = spool.last
            with pytest.raises(SpoolFull):
                fill(spool, 1000, reserve=True)
            assert spool.last > ordinary + 20
            assert SMALL - 2 * (100 + HEADER_BYTES) < spool.bytes <= SMALL
            assert len(everything(spool)) == spool.last

    def test_acknowledged_segments_make_way_oldest_first(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            spool.acknowledge(100)
            assert spool.first == 1, "what fits is kept"
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            assert 80 < spool.first <= 101
            assert spool.dropped > 0
            assert [one.number for one in everything(spool)] == list(range(spool.first, spool.last + 1))

    def test_a_record_of_many_segments_size_makes_way_too(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            big = b"x" * (SMALL * 6 // 10)
            assert spool.append(big, 1) == 1
            with pytest.raises(SpoolFull):
                spool.append(big, 2)
            spool.acknowledge(1)
            assert spool.append(big, 2) == 2
            assert everything(spool) == [Record(2, 2, DATA, big)]
            spool.acknowledge(2)
            with pytest.raises(SpoolFull):
                spool.append(b"x" * SMALL, 3)
            assert spool.first == 2, "nothing is deleted for what can never fit"

    def test_acknowledging_more_than_there_is_spares_what_comes(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            fill(spool, 10)
            spool.acknowledge(10_000)
            assert spool.acknowledged == 10
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            assert spool.first <= 11

    def test_what_redis_lost_is_kept_again(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            fill(spool, 150)
            spool.acknowledge(150)
            spool.rewind(0)
            with pytest.raises(SpoolFull):
                fill(spool, 1000)
            assert spool.first == 1

    def test_old_acknowledged_segments_go(self, tmp_path: Path) -> None:
        clock = [0.0]
        with make(tmp_path, limit_bytes=SMALL, max_age_s=10, now=lambda: clock[0]).open() as spool:
            fill(spool, 100)  # received at 1 to 100 ms
            clock[0] = 10.050
            spool.acknowledge(0)
            assert spool.first == 1, "not in Redis yet: age alone deletes nothing"
            spool.acknowledge(90)
            assert 30 < spool.first <= 50
            assert everything(spool)[0].received_ms == spool.oldest_ms
            clock[0] = 1e6
            spool.acknowledge(100)
            assert spool.last == 100
            assert len(files(tmp_path)) == 1, "the one being written stays"

    def test_numbers_outlive_the_records(self, tmp_path: Path) -> None:
        clock = [0.0]
        with make(tmp_path, limit_bytes=SMALL, max_age_s=1, now=lambda: clock[0]).open() as spool:
            fill(spool, 100)
            clock[0] = 1e6
            spool.acknowledge(100)
        with make(tmp_path).open() as spool:
            assert spool.append(b"a", 1) == 101


class TestWatermark:
    def test_numbering_never_falls_behind_what_redis_has_seen(self, tmp_path: Path) -> None:
        with make(tmp_path).open(first_after=500) as spool:
            assert (spool.first, spool.last) == (501, 500)
            assert spool.append(b"a", 1) == 501
        with make(tmp_path).open(first_after=400) as spool:
            assert spool.append(b"b", 2) == 502

    @pytest.mark.parametrize("written", [0, 2])
    def test_numbers_left_out_are_told_as_lost(self, tmp_path: Path, written: int) -> None:
        with make(tmp_path).open() as spool:
            fill(spool, written)
        with make(tmp_path).open(first_after=700) as spool:
            assert spool.first_of_run == 701
            spool.append(b"b", 2)
            live = everything(spool)
        with make(tmp_path).open(first_after=701) as spool:
            assert everything(spool) == live
        assert [(one.number, one.lost) for one in live] == ([(1, 0), (2, 0), (700, 698)] if written else []) + [
            (701, 0)
        ]
        assert all(one.kind == (CORRUPT if one.lost else DATA) for one in live)

    def test_later_too_when_redis_is_heard_late(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            fill(spool, 3)
            spool.advance(2)
            assert spool.append(b"a", 9) == 4
            spool.advance(10)
            spool.advance(20)
            assert spool.append(b"b", 10) == 21
            assert spool.sync() == 21
            assert [one.number for one in everything(spool, 3)] == [4, 20, 21]
            assert len(files(tmp_path)) == 2
