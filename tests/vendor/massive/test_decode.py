"""From a frame's bytes to records: the vendor's samples, every spelling of a number, and whatever else may come."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.bar import Bar, Trade
from vendor.interface import Decoded, Halt, Lost, Status
from vendor.massive import decode as module
from vendor.massive.channels.channel import epoch_ms
from vendor.massive.decode import decode, keep

T = 1_610_144_868_000
SECOND = {
    "ev": "A", "sym": "SPCE", "v": 200, "av": 8642007, "op": 25.66, "vw": 25.3981, "o": 25.39, "c": 25.40, "h": 25.41,
    "l": 25.38, "a": 25.3714, "z": 50, "s": T, "e": T + 1000,
}  # fmt: skip
PRINT = {"ev": "T", "sym": "MSFT", "x": 4, "i": "12345", "z": 3, "p": 114.125, "s": 100, "c": [0, 12], "t": T, "q": 7}
BAR = Bar("SPCE", T, 253900, 254100, 253800, 254000, 200, 50796200, 1000, 8642007.0)


def of(*events: Any) -> Decoded:
    return decode(json.dumps(events).encode())


def comparable(found: Decoded) -> dict[str, Any]:
    return {name: getattr(found, name) for name in Decoded.__slots__}


# --- what the vendor documents


def test_second_bars_become_ticks_and_exact_notional() -> None:
    found = of(SECOND)
    assert found.bars == [BAR]
    assert (found.events, found.set_aside) == (1, {})


def test_minute_bars_are_told_apart_and_start_on_the_minute() -> None:
    found = of(SECOND | {"ev": "AM", "s": 1_610_144_640_000, "e": 1_610_144_700_000})
    assert found.bars == []
    assert [(b.t, b.span) for b in found.minutes] == [(1_610_144_640_000, 60_000)]


def test_trades_keep_conditions_in_order_and_an_absent_list_is_empty() -> None:
    plain = {k: v for k, v in PRINT.items() if k != "c"}
    first, second = of(PRINT, plain | {"i": "12346"}).trades
    assert first[:6] == Trade("MSFT", T, 114.125, 100, (0, 12), 7)[:6]
    assert second.c == ()
    assert first.key != second.key


def test_statuses_keep_their_text_verbatim() -> None:
    text = "Maximum number of websocket connections exceeded. "
    assert of({"ev": "status", "status": "max_connections", "message": text}).statuses == [
        Status("max_connections", text)
    ]


@pytest.mark.parametrize(("indicator", "halted"), [(17, True), (18, False)])
def test_halts_come_from_the_luld_channel_which_names_its_symbol_otherwise(indicator: int, halted: bool) -> None:
    event = {
        "ev": "LULD",
        "T": "MSFT",
        "h": 218.96,
        "l": 198.11,
        "i": [21, indicator],
        "z": 3,
        "t": T * 1_000_000,
        "q": 1,
    }
    assert of(event).halts == [Halt("MSFT", T, halted)]


def test_bands_without_a_halt_say_nothing() -> None:
    found = of({"ev": "LULD", "T": "MSFT", "h": 2, "l": 1, "i": [16], "z": 3, "t": T, "q": 1})
    assert (found.halts, found.bands, found.set_aside, found.events) == ([], 1, {}, 1)


def test_of_a_halt_and_its_end_in_one_event_the_last_word_counts() -> None:
    found = of({"ev": "LULD", "T": "MSFT", "i": [17, 16, 18], "t": T})
    assert (found.halts, found.events) == ([Halt("MSFT", T, False)], 1)


@pytest.mark.parametrize("stamp", [T, T * 1_000 + 999, T * 1_000_000 + 999_999])
def test_the_unit_of_a_time_is_told_by_its_size(stamp: int) -> None:
    assert epoch_ms(stamp) == T
    assert of(SECOND | {"s": stamp}).bars[0].t == T
    assert of(PRINT | {"t": stamp}).trades[0].t == T


def test_recorded_frames_are_used_to_the_last_event(data: Path) -> None:
    frames = [line for f in sorted((data / "massive-frames").iterdir()) for line in f.read_bytes().splitlines() if line]
    found = [decode(frame) for frame in frames]
    assert sum(len(f.bars) for f in found) == sum(f.events for f in found) == 13
    assert not any(f.set_aside for f in found)
    fcx = next(b for f in found for b in f.bars if b.sym == "FCX")
    assert fcx == Bar("FCX", 1788877043000, 781000, 781250, 780700, 780800, 4989, 3895880166, 1000, 4332125.0)


# --- spellings


@pytest.mark.parametrize(
    "spell", [str, float, lambda x: f" {x} ", lambda x: x], ids=["text", "float", "padded", "plain"]
)
def test_a_number_may_come_in_any_spelling(spell: Any) -> None:
    event = {k: spell(v) if isinstance(v, int | float) else v for k, v in SECOND.items()}
    assert of(event).bars == [BAR]
    event = {k: spell(v) if isinstance(v, int | float) else v for k, v in PRINT.items() if k != "c"}
    assert of(event | {"c": [spell(0), spell(12)]}).trades[0][:6] == ("MSFT", T, 114.125, 100, (0, 12), 7)


def test_the_decimal_volume_is_the_exact_one() -> None:
    assert of(SECOND | {"v": 4989, "dv": "4989.25"}).bars[0].v == 4989.25
    assert of(PRINT | {"s": 0, "ds": "0.016"}).trades[0].s == 0.016
    assert of({k: v for k, v in SECOND.items() if k != "v"} | {"dv": "200.0"}).bars == [BAR]


@pytest.mark.parametrize("decimal", ["", "many", "nan", "1e999", None, [], True])
def test_an_unreadable_decimal_volume_leaves_the_plain_one(decimal: Any) -> None:
    assert of(SECOND | {"dv": decimal}).bars == [BAR]


def test_whole_volumes_are_ints_however_they_come() -> None:
    assert [type(of(SECOND | {"v": v}).bars[0].v) for v in (200, 200.0, "200", 200.5)] == [int, int, int, float]


def test_new_fields_are_ignored_and_a_missing_start_is_told_by_the_end() -> None:
    assert of(SECOND | {"novel": {"deep": [1]}, "n": 1, "otc": True}).bars == [BAR]
    assert of({k: v for k, v in SECOND.items() if k != "s"}).bars == [BAR]


@pytest.mark.parametrize("vw", [None, "", "n/a", 0, -1.0, "missing"])
def test_a_bar_without_a_usable_vwap_has_no_notional(vw: Any) -> None:
    event = {k: v for k, v in SECOND.items() if k != "vw"} | ({} if vw == "missing" else {"vw": vw})
    assert of(event).bars == [BAR._replace(n=None)]


@pytest.mark.parametrize("av", [-1, 1e15, 1e300, "n/a", None])
def test_a_volume_of_the_day_that_cannot_be_is_not_known(av: Any) -> None:
    assert of(SECOND | {"av": av}).bars == [BAR._replace(av=None)]


def test_volume_zero_is_a_bar() -> None:
    assert of(SECOND | {"v": 0}).bars[0].v == 0


@pytest.mark.parametrize("symbol", ["BRK.B", "KIMpL", "O:SPY251219C00650000", "BTC-USD", "USD/EUR", "I:SPX"])
def test_symbols_keep_dots_and_case(symbol: str) -> None:
    assert of(SECOND | {"sym": symbol}).bars[0].sym == symbol


def test_one_event_alone_is_a_frame_too() -> None:
    assert decode(json.dumps(SECOND).encode()).bars == [BAR]


# --- what is set aside, and why

BAD = [
    (SECOND | {"sym": "A B"}, "bad_symbol"),
    (SECOND | {"sym": "A}B"}, "bad_symbol"),
    (SECOND | {"sym": ""}, "bad_symbol"),
    (SECOND | {"sym": 5}, "bad_symbol"),
    ({k: v for k, v in SECOND.items() if k != "sym"}, "missing_field"),
    ({k: v for k, v in SECOND.items() if k != "c"}, "missing_field"),
    (SECOND | {"c": None}, "missing_field"),
    (SECOND | {"c": "dear"}, "bad_number"),
    (SECOND | {"c": True}, "bad_number"),
    (SECOND | {"c": [25.4]}, "bad_number"),
    (SECOND | {"c": "nan"}, "bad_number"),
    (SECOND | {"c": "inf"}, "bad_number"),
    (SECOND | {"c": 25.42}, "bad_price"),  # above the high
    (SECOND | {"o": 25.37}, "bad_price"),  # below the low
    (SECOND | {"l": 0, "o": 0}, "bad_price"),
    (SECOND | {"l": -1.0}, "bad_price"),
    (SECOND | {"h": 1e8}, "bad_price"),
    (SECOND | {"v": 9e14, "vw": 9e7}, "bad_price"),  # a notional that no double holds
    (SECOND | {"v": -1}, "bad_volume"),
    (SECOND | {"v": 1e15}, "bad_volume"),
    (SECOND | {"s": 0}, "bad_time"),
    (SECOND | {"s": -5}, "bad_time"),
    (SECOND | {"s": 10**20}, "bad_time"),
    (SECOND | {"s": 10**40}, "bad_time"),
    (SECOND | {"s": 1e300}, "bad_time"),
    (PRINT | {"p": 0}, "bad_price"),
    (PRINT | {"p": 1e8}, "bad_price"),
    (PRINT | {"s": 9e14, "p": 9e7}, "bad_price"),
    (PRINT | {"t": 0}, "bad_time"),
    (PRINT | {"t": 10**25}, "bad_time"),
    (PRINT | {"s": -1}, "bad_volume"),
    (PRINT | {"c": ["at dawn"]}, "bad_number"),
    ({"ev": "LULD", "T": "A B", "i": [17], "t": T}, "bad_symbol"),
    ({"ev": "LULD", "T": "F", "i": [17], "t": -1}, "bad_time"),
    ({"ev": "Q", "sym": "MSFT", "bp": 1, "ap": 2, "t": T}, "other_channel"),
    ({"ev": ["A"]}, "other_channel"),
    ({"sym": "MSFT"}, "not_an_event"),
    (5, "not_an_event"),
    (None, "not_an_event"),
    ([SECOND], "not_an_event"),
]  # fmt: skip


@pytest.mark.parametrize(("event", "reason"), BAD)
def test_a_bad_event_is_counted_by_reason_and_never_costs_its_neighbours(event: Any, reason: str) -> None:
    found = of(SECOND, event, PRINT, SECOND | {"sym": "NEXT"})
    assert found.set_aside == {reason: 1}
    assert [b.sym for b in found.bars] == ["SPCE", "NEXT"]
    assert len(found.trades) == 1
    assert found.events == 4


@pytest.mark.parametrize(
    "frame", [b"", b"[", b"\xff\xfe", b"[{]", b'[{"ev":"A"', b"[" * 100_000, b'["\xed\xa0\x80"', b"NaN", b"\x00"]
)
def test_what_is_not_json_is_counted_as_such(frame: bytes) -> None:
    found = decode(frame)
    assert (found.set_aside, found.events) == ({"not_json": 1}, 1)


def test_what_is_lost_is_named_as_far_as_it_can_be_read() -> None:
    found = of(
        SECOND | {"c": "dear"}, PRINT | {"p": -1}, SECOND | {"sym": "A B"}, SECOND | {"s": "soon"}, {"ev": "Q"}, 5
    )
    assert found.lost == [
        Lost("SPCE", T, "bad_number"), Lost("MSFT", T, "bad_price"), Lost("", T, "bad_symbol"), Lost("SPCE", None, "bad_number"),
    ]  # fmt: skip
    assert found.set_aside.total() == 6


def test_of_very_many_losses_the_first_are_named_and_all_are_counted() -> None:
    found = decode(json.dumps([SECOND | {"c": 0}] * 3_000).encode())
    assert (len(found.lost), found.set_aside) == (1_000, {"bad_price": 3_000})


def test_a_frame_is_cut_down_to_the_events_of_some_symbols() -> None:
    halt = {"ev": "LULD", "T": "MSFT", "t": T, "i": [17]}
    events = [SECOND, PRINT, halt, {"ev": "Q", "sym": "MSFT"}, {"ev": "status", "status": "x"}, 5, PRINT | {"sym": 7}]
    kept = keep(json.dumps(events).encode(), {"MSFT", "F"})
    assert kept is not None
    assert json.loads(kept) == [PRINT, halt]
    assert keep(json.dumps(events).encode(), {"F"}) is None
    assert keep(b"[{broken", {"F"}) is None


# --- prints that are the same, and prints that are not


def test_a_print_told_again_has_the_same_key_in_any_spelling() -> None:
    for event in (PRINT, {k: v for k, v in PRINT.items() if k != "x"}, {k: v for k, v in PRINT.items() if k != "i"}):
        spelled = event | {"novel": 1, "z": str(event["z"]), "q": float(7)} | ({"x": "4"} if "x" in event else {})
        assert of(event).trades[0].key == of(spelled).trades[0].key


def test_prints_without_identity_are_never_taken_for_repeats() -> None:
    nameless = {k: v for k, v in PRINT.items() if k not in ("i", "q")}
    assert of(nameless).trades[0].key is None
    assert of(nameless | {"i": ""}).trades[0].key is None
    assert of(nameless | {"i": None, "p": "1.5"}).trades[0].key is None


def test_the_id_of_a_print_counts_only_at_its_exchange() -> None:
    events = [PRINT, PRINT | {"x": 5}, PRINT | {"trfi": 201}, PRINT | {"i": "6"}]
    assert len({t.key for t in of(*events).trades}) == 4


# --- properties

numbers = st.one_of(
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.floats(0.0001, 1000).map(lambda x: round(x, 4)),
    st.sampled_from([0, T, 25.4, 1e8, 2**53]),
)
anything = st.recursive(
    st.none() | st.booleans() | numbers | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)
names = st.sampled_from(
    [
        "s",
        "v",
        "o",
        "c",
        "q",
        "h",
        "l",
        "t",
        "i",
        "p",
        "x",
        "z",
        "sym",
        "vw",
        "dv",
        "av",
        "ds",
        "trfi",
        "T",
        "status",
        "message",
        "e",
    ]
)
mutated = st.tuples(
    st.sampled_from([SECOND, SECOND | {"ev": "AM"}, PRINT, {"ev": "LULD", "T": "F", "t": T, "i": [17]},
                     {"ev": "status", "status": "success", "message": "x"}]),
    st.dictionaries(names, numbers | numbers.map(str) | anything, max_size=3),
).map(lambda pair: pair[0] | pair[1])  # fmt: skip


def both(event: dict[str, Any]) -> tuple[Decoded, Decoded] | None:
    """The event by the typed pass and by the loose one; None when the typed pass does not take it."""
    frame = json.dumps([event]).encode()
    try:
        module._typed.decode(frame)
    except msgspec.DecodeError:
        return None
    loose = Decoded()
    module._decode_loosely(frame, loose)
    return decode(frame), loose


@settings(max_examples=400, deadline=None)
@given(mutated)
def test_the_quick_pass_and_the_patient_one_tell_the_same(event: dict[str, Any]) -> None:
    found = both(event)
    if found is not None:
        assert comparable(found[0]) == comparable(found[1])


@settings(max_examples=300, deadline=None)
@given(st.lists(mutated | anything, max_size=5))
def test_nothing_that_json_can_say_stops_the_flow(events: list[Any]) -> None:
    found = of(*events)
    assert found.events == len(events)
    used = len(found.bars) + len(found.minutes) + len(found.trades) + len(found.statuses)
    assert used + sum(found.set_aside.values()) <= len(events)
    for bar in found.bars + found.minutes:
        o, h, low, c = (price or 0 for price in bar[2:6])
        assert 0 < low <= min(o, c) <= max(o, c) <= h
        assert 0 < bar.t < 2**62
        assert bar.t % bar.span == 0
        assert 0 <= bar.v < 1e15
    for trade in found.trades:
        assert 0 < trade.t < 2**62
        assert 0 < trade.p < 1e8


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
def test_nothing_that_bytes_can_be_stops_the_flow(frame: bytes) -> None:
    decode(frame)
    decode(json.dumps([SECOND]).encode() + frame)
