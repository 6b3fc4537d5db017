"""The spool after damage: each byte cut, each bit flipped; what is lost is reported, and nothing else is lost."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.spool import cursor as spool_cursor
from ingest.spool.errors import SpoolBroken
from ingest.spool.segment import CORRUPT, HEADER_BYTES, MAGIC, Record, pack
from tests.ingest.spool.test_log import SMALL, everything, files, make

PAYLOADS = [b"first frame", b'[{"ev":"A","sym":"AAPL"}]', b"third", b""]
TIMES = [1000, 1005, 1010, 1015]
SIZES = [HEADER_BYTES + len(payload) for payload in PAYLOADS]
ENDS = [sum(SIZES[: at + 1]) for at in range(len(SIZES))]


def write(folder: Path) -> bytes:
    """A spool of four records; the bytes of its only file."""
    with make(folder, fsync=False).open() as spool:
        for payload, ms in zip(PAYLOADS, TIMES, strict=True):
            spool.append(payload, ms)
    (path,) = files(folder)
    return path.read_bytes()


def good(*numbers: int) -> list[Record]:
    return [Record(number, TIMES[number - 1], 0, PAYLOADS[number - 1]) for number in numbers]


def numbers(records: list[Record]) -> list[int]:
    return [record.number for record in records]


@pytest.fixture(params=[256 * 1024, 40])
def chunk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Block sizes of reading: the default, and one so small that records cross block boundaries."""
    monkeypatch.setattr(spool_cursor, "_CHUNK", request.param)
    return int(request.param)


@pytest.mark.usefixtures("chunk")
class TestCut:
    def test_at_every_byte(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        for length in range(len(raw) + 1):
            path.write_bytes(raw[:length])
            whole = sum(end <= length for end in ENDS)
            with make(tmp_path, fsync=False).open() as spool:
                assert spool.last == whole
                assert spool.torn == (length not in (0, *ENDS))
                assert everything(spool) == good(*range(1, whole + 1))
                assert spool.append(b"next", 2000) == whole + 1
                assert everything(spool, whole) == [Record(whole + 1, 2000, 0, b"next")]
                assert spool.corrupt == 0

    @pytest.mark.parametrize("tail", [b"\0" * 5000, b"\0", MAGIC, MAGIC * 50, b"\xff" * 64, bytes(range(256))])
    def test_rubbish_at_the_end(self, tmp_path: Path, tail: bytes) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        path.write_bytes(raw + tail)
        with make(tmp_path, fsync=False).open() as spool:
            assert (spool.torn, spool.last) == (1, 4)
            assert everything(spool) == good(1, 2, 3, 4)
        assert path.read_bytes() == raw

    def test_a_good_record_with_an_impossible_number_is_no_record(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        for number in (1, 4, 6, 99, 2**64 - 1):
            for rubbish in (b"", b"?"):
                path.write_bytes(raw + rubbish + pack(number, 1, 0, b"forged"))
                with make(tmp_path, fsync=False).open() as spool:
                    assert (spool.torn, spool.last) == (1, 4)
        path.write_bytes(raw[: ENDS[2]] + b"?" + raw[ENDS[2] :])  # the right number is taken up again
        with make(tmp_path, fsync=False).open() as spool:
            assert everything(spool) == good(1, 2, 3, 4)
            assert spool.corrupt == 0

    def test_a_number_of_the_next_segment_is_not_looked_for_in_this(self, tmp_path: Path) -> None:
        (tmp_path / f"{1:020d}.spool").write_bytes(b"?" * 200 + pack(3, 1, 0, b"forged"))
        (tmp_path / f"{2:020d}.spool").write_bytes(pack(2, 1, 0, b"true"))
        with make(tmp_path, fsync=False).open() as spool:
            assert [(one.number, one.kind, one.payload) for one in everything(spool)] == [
                (1, CORRUPT, b""),
                (2, 0, b"true"),
            ]


def test_records_at_every_place_in_what_is_read_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path)
    with make(tmp_path, fsync=False).open() as spool:
        for amount in range(1, ENDS[3] + 2):
            monkeypatch.setattr(spool_cursor, "_CHUNK", amount)
            assert everything(spool) == good(1, 2, 3, 4)


@pytest.mark.usefixtures("chunk")
class TestFlippedBit:
    @pytest.mark.parametrize("damaged", [1, 2, 3])
    def test_every_bit_of_a_record_before_the_last(self, tmp_path: Path, damaged: int) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        others = good(*({1, 2, 3, 4} - {damaged}))
        for bit in range((ENDS[damaged - 1] - SIZES[damaged - 1]) * 8, ENDS[damaged - 1] * 8):
            path.write_bytes(flipped(raw, bit))
            with make(tmp_path, fsync=False).open() as spool:
                records = everything(spool)
                assert [one for one in records if one.kind != CORRUPT] == others
                (lost,) = [one for one in records if one.kind == CORRUPT]
                assert (lost.number, lost.lost, lost.payload) == (damaged, 1, b"")
                everything(spool)
                assert (spool.corrupt, spool.torn, spool.last) == (1, 0, 4), "counted once"

    def test_every_bit_of_the_last_record(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        for bit in range(ENDS[2] * 8, ENDS[3] * 8):
            path.write_bytes(flipped(raw, bit))
            with make(tmp_path, fsync=False).open() as spool:
                records = everything(spool)
                assert records[:3] == good(1, 2, 3)
                if spool.torn:  # indistinguishable from a torn one
                    assert (records[3:], spool.last) == ([], 3)
                else:
                    assert [(one.number, one.kind) for one in records[3:]] == [(4, CORRUPT)]
                    assert spool.append(b"x", 3000) == 5

    def test_every_bit_of_the_last_record_while_it_is_open(self, tmp_path: Path) -> None:
        with make(tmp_path, fsync=False).open() as spool:
            for payload, ms in zip(PAYLOADS, TIMES, strict=True):
                spool.append(payload, ms)
            (path,) = files(tmp_path)
            raw = path.read_bytes()
            for bit in range(ENDS[2] * 8, ENDS[3] * 8):
                put(path, flipped(raw, bit))
                with spool.reader(0) as reader:
                    records = reader.read()
                    assert records[:3] == good(1, 2, 3)
                    assert [(one.number, one.kind, one.lost) for one in records[3:]] == [(4, CORRUPT, 1)]
                    assert reader.read() == []
            assert spool.corrupt == 1

    def test_the_time_is_told_where_it_can_be_believed(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        for offset, believed in ((HEADER_BYTES + 3, 1005), (4, 1005), (20, 1000), (25, 1000), (0, 1005)):
            path.write_bytes(flipped(raw, (ENDS[0] + offset) * 8 + 3))
            with make(tmp_path, fsync=False).open() as spool:
                (lost,) = [one for one in everything(spool) if one.kind == CORRUPT]
                assert (lost.number, lost.received_ms) == (2, believed)

    def test_in_a_segment_that_is_full(self, tmp_path: Path) -> None:
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            for number in range(1, 201):
                spool.append(b"%d" % number, 1)
            for number in range(201, 401):
                spool.append(b"%d" % number * 10, number)
        paths = files(tmp_path)
        assert len(paths) > 3
        for path in paths[:-1]:
            raw = path.read_bytes()
            put(path, flipped(raw, (len(raw) - 3) * 8))  # the last record's payload
            put(path, flipped(path.read_bytes(), 9 * 8))  # the first record's length
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            records = everything(spool)
            assert sum(one.lost or 1 for one in records) == 400
            assert spool.corrupt == 2 * (len(paths) - 1)
            for one in records:
                if one.kind != CORRUPT:
                    assert one.payload == b"%d" % one.number * (10 if one.number > 200 else 1)


@pytest.mark.usefixtures("chunk")
class TestManyDamaged:
    def test_neighbours_are_one_gap(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        hurt = bytearray(raw)
        hurt[8] ^= 64  # the first one's length
        hurt[ENDS[0]] ^= 1  # the second one's magic
        hurt[ENDS[1] + 3] ^= 1  # the third one's magic
        path.write_bytes(hurt)
        with make(tmp_path, fsync=False).open() as spool:
            first, last = everything(spool)
            assert (first.number, first.lost, first.kind, first.received_ms) == (3, 3, CORRUPT, 0)
            assert last == good(4)[0]
            for after in range(1, 4):
                rest = everything(spool, after)
                assert [(one.number, one.lost) for one in rest] == [(3, 3 - after), (4, 0)][after == 3 :]
            assert spool.corrupt == 3

    def test_a_length_that_reaches_the_end_hides_no_good_record(self, tmp_path: Path) -> None:
        raw = bytearray(write(tmp_path))
        (path,) = files(tmp_path)
        raw[ENDS[1] + 8 : ENDS[1] + 12] = (ENDS[3] - ENDS[1] - HEADER_BYTES).to_bytes(4, "little")
        path.write_bytes(raw)
        with make(tmp_path, fsync=False).open() as spool:
            assert [(one.number, one.kind) for one in everything(spool)] == [(1, 0), (2, 0), (3, CORRUPT), (4, 0)]

    def test_a_length_that_reaches_a_later_record_hides_none_between(self, tmp_path: Path) -> None:
        raw = bytearray(write(tmp_path))
        (path,) = files(tmp_path)
        raw[8:12] = (ENDS[1] - HEADER_BYTES).to_bytes(4, "little")
        path.write_bytes(raw)
        with make(tmp_path, fsync=False).open() as spool:
            assert [(one.number, one.kind) for one in everything(spool)] == [(1, CORRUPT), (2, 0), (3, 0), (4, 0)]

    def test_damage_stays_counted_when_its_segment_is_deleted(self, tmp_path: Path) -> None:
        raw = write(tmp_path)
        (path,) = files(tmp_path)
        path.write_bytes(flipped(raw, HEADER_BYTES * 8))
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            assert spool.corrupt == 1
            while not spool.dropped:
                spool.acknowledge(spool.append(b"x" * 1000, 2000))
            assert spool.corrupt == 1

    def test_a_time_is_found_before_a_segment_whose_start_is_damaged(self, tmp_path: Path) -> None:
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            for number in range(1, 101):
                spool.append(b"x" * 100, number)
        second = files(tmp_path)[1]
        put(second, flipped(second.read_bytes(), HEADER_BYTES * 8))
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            for number in range(1, 101):
                assert spool.find_time(number) == number + (number == int(second.stem))

    def test_segments_cut_short_or_gone(self, tmp_path: Path) -> None:
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            for number in range(1, 301):
                spool.append(b"%d" % number * 10, number)
        starts = [int(path.stem) for path in files(tmp_path)]
        first, second, third, fourth, *_ = files(tmp_path)
        put(first, first.read_bytes()[:-1])  # the last record torn
        put(second, b"")
        third.unlink()
        size = HEADER_BYTES + len(b"%d" % starts[3] * 10)
        put(fourth, fourth.read_bytes()[: 2 * size])  # cut between two records
        with make(tmp_path, fsync=False, limit_bytes=SMALL).open() as spool:
            records = everything(spool)
            lost = [(one.number - one.lost + 1, one.number) for one in records if one.kind == CORRUPT]
            assert lost == [(starts[1] - 1, starts[3] - 1), (starts[3] + 2, starts[4] - 1)]
            assert sum(one.lost or 1 for one in records) == 300
            assert spool.last == 300

    def test_a_segment_that_vanishes_while_open_is_an_error(self, tmp_path: Path) -> None:
        with make(tmp_path, fsync=False).open() as spool:
            spool.append(b"x", 1)
            files(tmp_path)[0].unlink()
            with pytest.raises(SpoolBroken, match="vanished"):
                everything(spool)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.binary(max_size=200), max_size=4), st.integers(0, 400), st.booleans())
def test_any_bytes_can_be_opened_and_read(
    tmp_path_factory: pytest.TempPathFactory, rubbish: list[bytes], at: int, tail: bool
) -> None:
    """Garbage as segments and between good records: the counts add up, and appending still works."""
    folder = tmp_path_factory.mktemp("spool")
    raw = b"".join(pack(number, number, 0, b"abc") for number in range(1, 11))
    spoiled = [raw[:at] + b"".join(rubbish) + raw[at:] if tail else raw, *rubbish]
    for index, content in enumerate(spoiled):
        (folder / f"{1 + index * 10:020d}.spool").write_bytes(content)
    with make(folder, fsync=False).open() as spool:
        number = spool.append(b"new", 7)
        records = everything(spool)
        assert records[-1] == Record(number, 7, 0, b"new")
        assert sum(one.lost or 1 for one in records) == number - spool.first + 1
        assert all(one.number < other.number for one, other in pairwise(records))


def flipped(raw: bytes, bit: int) -> bytes:
    changed = bytearray(raw)
    changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def put(path: Path, content: bytes) -> None:
    """Changes the file in place, as a failing disk would."""
    with path.open("r+b") as file:
        file.write(content)
        file.truncate()
