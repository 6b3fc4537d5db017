"""The format of a record and the places that a segment remembers."""

from __future__ import annotations

from pathlib import Path

import pytest
from google_crc32c import value as crc32c
from hypothesis import given
from hypothesis import strategies as st

from ingest.spool.segment import (
    CHECKED_FROM,
    HEADER,
    HEADER_BYTES,
    MAGIC,
    MARK_EVERY,
    Segment,
    file_name,
    first_number,
    pack,
)


@given(st.integers(1, 2**63), st.integers(0, 2**63), st.integers(0, 254), st.binary(max_size=300))
def test_a_record_is_as_the_format_says(number: int, received_ms: int, kind: int, payload: bytes) -> None:
    raw = pack(number, received_ms, kind, payload)
    assert HEADER.unpack_from(raw) == (MAGIC, crc32c(raw[CHECKED_FROM:]), len(payload), number, received_ms, kind)
    assert raw[HEADER_BYTES:] == payload


@pytest.mark.parametrize("number", [1, 255, 10**19])
def test_a_files_name_is_the_number_of_its_first_record(number: int) -> None:
    assert first_number(file_name(number)) == number
    assert len(file_name(number)) == len("00000000000000000001.spool")


@pytest.mark.parametrize("name", ["", "1.spool", f"{0:020d}.spool", f"{1:020d}.spool.bak", "lock", "ballast"])
def test_other_files_have_no_number(name: str) -> None:
    assert first_number(name) is None


def segment(records: int) -> Segment:
    """Of records of 10 bytes from number 101 on, one received each ms."""
    made = Segment(Path("none"), 101, 10 * records, 101 + records, sealed=True)
    for number in range(101, 101 + records):
        made.mark(number, 10 * (number - 101), number)
    return made


def test_places_are_found_by_number_and_by_time() -> None:
    made = segment(1000)
    assert (made.first_ms, made.size, made.end_number) == (101, 10_000, 1101)
    for number in (101, 300, 357, 1100):
        offset, marked = made.before_number(number)
        assert 0 <= number - marked < MARK_EVERY
        assert offset == 10 * (marked - 101)
        assert made.before_time(number)[1] <= number
    assert (made.before_number(1), made.before_time(0)) == ((0, 101), (0, 101))


def test_damage_is_counted_once_however_often_it_is_read(caplog: pytest.LogCaptureFixture) -> None:
    made = segment(10)
    for lost in (2, 2, 3):
        made.note_damage(105, lost)
    made.note_damage(108, 1)
    assert (made.lost, len(caplog.records)) == (4, 2)
