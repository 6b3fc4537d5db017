"""Reading the spool: from any number, from any time, after deletions, while it is written."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from tests.ingest.spool.test_log import SMALL, beside, files, fill, make


class TestReading:
    def test_bounds_of_one_read(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool, spool.reader(0) as reader:
            fill(spool, 100)
            assert len(reader.read(3)) == 3
            assert [one.number for one in reader.read(50, 250)] == [4, 5, 6]
            assert [one.number for one in reader.read(50, 1)] == [7]
            assert len(reader.read(50)) == 50
            assert reader.next_number == 58
            assert len(reader.read()) == 43
            assert reader.read() == []
            fill(spool, 1)
            assert [one.number for one in reader.read()] == [101]

    def test_from_every_number(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool:
            for number in range(1, 401):
                spool.append(b"y" * (number % 9), 1)
            fill(spool, 100)
            for after in range(spool.last + 1):
                with spool.reader(after) as reader:
                    assert [one.number for one in reader.read(3)] == list(range(after + 1, min(after + 4, 501)))
                    assert reader.skipped == 0

    def test_a_number_to_come_is_waited_for(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=SMALL).open() as spool, spool.reader(50) as reader:
            for _ in range(5):
                assert reader.read() == []
                fill(spool, 10)
            assert reader.read() == []
            fill(spool, 2)
            assert [one.number for one in reader.read()] == [51, 52]

    def test_what_was_deleted_is_skipped_and_told(self, tmp_path: Path) -> None:
        clock = [0.0]
        with make(tmp_path, limit_bytes=SMALL, max_age_s=0, now=lambda: clock[0]).open() as spool:
            fill(spool, 200)
            with spool.reader(0) as late, spool.reader(0) as started:
                seen = [one.number for one in started.read(1)]
                clock[0] = 0.140
                spool.acknowledge(200)
                assert spool.first > 100
                assert late.read()[0].number == spool.first
                assert late.skipped == spool.first - 1
                # the file it had open is still read to its end
                while more := started.read(5):
                    seen += [one.number for one in more]
                assert seen[-1] == 200
                assert started.skipped == 200 - len(seen) > 50

    def test_while_it_is_being_written(self, tmp_path: Path) -> None:
        total = 3_000
        got: list[int] = []
        with make(tmp_path, limit_bytes=1 << 20).open() as spool:

            def read() -> None:
                with spool.reader(0) as reader:
                    while len(got) < total:
                        for one in reader.read(100):
                            assert one.payload == b"%d" % one.number * (one.number % 50)
                            got.append(one.number)

            threads = [threading.Thread(target=read), beside(spool.sync, lambda: len(got) >= total)]
            for thread in threads:
                thread.start()
            for number in range(1, total + 1):
                spool.append(b"%d" % number * (number % 50), number)
            for thread in threads:
                thread.join(60)
            assert got == list(range(1, total + 1))
            assert len(files(tmp_path)) > 3, "across segments"


class TestTimes:
    @pytest.mark.parametrize("reopened", [False, True])
    def test_the_first_record_since(self, tmp_path: Path, reopened: bool) -> None:
        spool = make(tmp_path, limit_bytes=8 << 20).open()
        for number in range(1, 20_001):
            spool.append(b"x" * 100, 1000 + number // 3 * 10)
        if reopened:
            spool.close()
            spool = make(tmp_path, limit_bytes=8 << 20).open()
        with spool:
            assert len(files(tmp_path)) > 3
            for ms in (0, 1000, 1001, 1010, 5000, 5005, 33_333, 67_660, 67_665, 67_670):
                expected = next((n for n in range(1, 20_001) if 1000 + n // 3 * 10 >= ms), 20_001)
                assert spool.find_time(ms) == expected, ms

    def test_a_clock_set_back_finds_the_first_of_both_passes(self, tmp_path: Path) -> None:
        with make(tmp_path, limit_bytes=8 << 20).open() as spool:
            for ms in [*range(10_000, 20_000), *range(15_000, 30_000)]:
                spool.append(b"x" * 100, ms)
            assert spool.find_time(16_000) == 6_001
            assert spool.find_time(25_000) == 20_001

    def test_a_clock_set_back_within_a_segment(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            for ms in [*range(10_000, 11_000), *range(9_000, 12_000)]:
                spool.append(b"", ms)
            assert spool.find_time(10_500) == 501
            assert spool.find_time(11_500) == 3_501

    def test_many_at_the_same_time(self, tmp_path: Path) -> None:
        with make(tmp_path).open() as spool:
            spool.append(b"", 4)
            for _ in range(2_000):
                spool.append(b"", 5)
            assert spool.find_time(5) == 2
