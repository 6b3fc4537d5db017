"""What can still be read of a frame that is no JSON."""

from __future__ import annotations

import json
import math
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.vendor.massive.test_decode import PRINT, SECOND
from vendor.interface import Lost
from vendor.massive.decode import decode
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


# --- through the decoder

T_OK = json.dumps(SECOND | {"sym": "OK"}).encode()


@pytest.mark.parametrize(
    ("field", "odd", "reason"),
    [
        ("c", b"NaN", "bad_number"),
        ("c", b"-Infinity", "bad_number"),
        ("c", b"1e999", "bad_number"),
        ("c", b"9" * 5_000, "bad_number"),
        ("c", b"1.2.3", "not_json"),
        ("c", b"", "not_json"),
        ("sym", b'"A\xff"', "bad_symbol"),
        ("sym", b'"A\\ud800"', "bad_symbol"),
        ("sym", b'"A\nB"', "bad_symbol"),
        ("s", b"9" * 5_000, "bad_number"),
    ],
)
def test_a_value_that_cannot_be_read_costs_its_own_event_only(field: str, odd: bytes, reason: str) -> None:
    event = json.dumps(SECOND | {field: "HERE"}).encode().replace(b'"HERE"', odd)
    found = decode(b"[" + b",".join([T_OK, event, json.dumps(PRINT).encode(), T_OK]) + b"]")
    assert [bar.sym for bar in found.bars] == ["OK", "OK"]
    assert len(found.trades) == 1
    assert (found.events, found.set_aside) == (4, {reason: 1})
    assert [lost.reason for lost in found.lost] == [reason]


@pytest.mark.parametrize("odd", [b"NaN", b"1e999", b"9" * 5_000, b'"\xff"', b'"\\ud83d"', b'"{\\"}],"'])
@pytest.mark.parametrize("field", ["op", "novel", "vw"])
def test_a_value_that_is_not_needed_costs_nothing(field: str, odd: bytes) -> None:
    event = json.dumps(SECOND | {field: "HERE"}).encode().replace(b'"HERE"', odd)
    found = decode(b"[" + event + b"," + T_OK + b"]")
    assert [bar.sym for bar in found.bars] == ["SPCE", "OK"]
    assert not found.lost


@pytest.mark.parametrize("end", range(1, len(T_OK), 7))
def test_of_a_frame_that_was_cut_off_the_whole_events_are_used(end: int) -> None:
    found = decode(b"[" + T_OK + b"," + T_OK[:end])
    assert [bar.sym for bar in found.bars] == ["OK"]
    assert found.lost == [Lost("", None, "not_json")]


def test_a_broken_frame_costs_in_proportion_to_its_bytes() -> None:
    """Cut into its events and each read by itself: a hundred times the events in some hundred times the CPU."""

    def cpu(events: int) -> float:
        frame = b"[NaN," + b",".join([T_OK] * events) + b',{"sy'
        began = time.process_time()
        assert len(decode(frame).bars) == events
        return time.process_time() - began

    cpu(50)
    assert cpu(5_000) < 100 * 6 * max(min(cpu(50) for _ in range(5)), 1e-4)
