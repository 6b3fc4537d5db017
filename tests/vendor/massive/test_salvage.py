"""What can still be read of a frame that is no JSON."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vendor.massive.salvage import cut, events_of, read_anyhow

GOOD = b'{"ev":"A","sym":"F","text":"a \\" } ] {","i":[1,{"x":[]}]}'


def test_a_frame_is_cut_into_its_objects_whatever_is_in_their_strings() -> None:
    assert cut(b"[" + GOOD + b" , " + GOOD + b"]") == [GOOD, GOOD]
    assert cut(GOOD) == [GOOD]


@pytest.mark.parametrize("frame", [b"", b"[]", b"NaN", b"[" + GOOD + b",{", b"[" + GOOD + b',"', b'["x",' + GOOD])
def test_what_is_no_list_of_objects_is_not_cut(frame: bytes) -> None:
    assert cut(frame) is None


def test_a_string_without_its_end_costs_its_own_event_only() -> None:
    first, last = events_of(b"[" + GOOD + b',{"ev":"A","sym":"X},' + GOOD + b"]")[::2]
    assert first == last == read_anyhow(GOOD)
    assert events_of(b"[" + GOOD + b',{"ev":"A","sym":"X},' + GOOD + b"]")[1] is None


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"1e999", math.inf),
        (b"-Infinity", -math.inf),
        (b"-" + b"9" * 5_000, -math.inf),
        (b"12", 12),
        (b'"\xff"', "\ufffd"),
    ],
)
def test_numbers_and_texts_are_read_tolerantly(text: bytes, value: object) -> None:
    assert read_anyhow(b'{"x":' + text + b"}") == {"x": value}


@given(st.binary(max_size=200))
def test_any_bytes(raw: bytes) -> None:
    assert events_of(raw)
    assert read_anyhow(GOOD) in events_of(b"[" + GOOD + b',{"ev":' + raw.replace(b'{"ev"', b"") + b"," + GOOD + b"]")
