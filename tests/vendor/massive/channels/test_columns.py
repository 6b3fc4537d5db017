"""By columns or one by one, a frame of many events gives the same records in the same order."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vendor.massive.test_decode import BAR, PRINT, SECOND, T, comparable
from vendor.interface import Decoded
from vendor.massive.channels import columns
from vendor.massive.channels.aggregates import bars_of
from vendor.massive.channels.trades import trades_of
from vendor.massive.decode import decode

KINDS: list[dict[str, Any]] = [
    SECOND,
    SECOND | {"ev": "AM"},
    PRINT,
    {"ev": "LULD", "T": "F", "t": T, "i": [17]},
    {"ev": "status", "status": "success", "message": "x"},
]
#: What an ordinary frame may differ in, and what no ordinary one has.
usual: dict[str, st.SearchStrategy[Any]] = {
    "sym": st.sampled_from(["AAPL", "BRK.B", "F"]),
    "vw": st.none() | st.sampled_from([0, 25.38, 25.39995]),
    "dv": st.none() | st.sampled_from(["", "200.0", "0.016", "12"]),
    "av": st.none() | st.sampled_from([-1, 5, 7.5]),
    "ds": st.none() | st.sampled_from(["", "100.0", "0.5"]),
    "i": st.none() | st.sampled_from(["", "1", "2"]),
    "q": st.sampled_from([0, 1]),
    "c": st.just([]) | st.just([12, 37]),
}
odd: dict[str, st.SearchStrategy[Any]] = {
    "sym": st.just("A B"),
    "s": st.sampled_from([0, T * 1000, 10**20]),
    "t": st.sampled_from([0, T * 1000, 10**20]),
    "o": st.sampled_from([0, 26.0]),
    "p": st.sampled_from([0, 1e308]),
    "v": st.just(-1),
    "dv": st.sampled_from(["nan", "many"]),
}


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    kind = draw(st.sampled_from(KINDS))
    changes: dict[str, Any] = {"c": draw(usual["c"])} if kind is PRINT else {}
    names = [n for n in usual if n != "c" and (n in kind or n in ("dv", "ds"))]
    changes |= {name: draw(usual[name]) for name in draw(st.lists(st.sampled_from(names), max_size=3))} if names else {}
    if draw(st.integers(0, 9)) == 0:
        name = draw(st.sampled_from(sorted(odd)))
        changes[name] = draw(odd[name])
    return {**kind, **changes}


def one_by_one(frame: list[dict[str, Any]]) -> Decoded:
    whole = Decoded()
    for event in frame:
        found = decode(json.dumps([event]).encode())
        for name in ("bars", "minutes", "trades", "halts", "statuses"):
            getattr(whole, name).extend(getattr(found, name))
        whole.set_aside += found.set_aside
        whole.lost += found.lost
        whole.bands += found.bands
        whole.events += found.events
    return whole


@settings(max_examples=300, deadline=None)
@given(st.lists(events(), max_size=12))
def test_a_frame_is_what_its_events_are(frame: list[dict[str, Any]]) -> None:
    found, expected = comparable(decode(json.dumps(frame).encode())), comparable(one_by_one(frame))
    for one in (found, expected):
        one["lost"].sort(key=repr)  # a frame's are in the order of its channels
    assert found == expected
    assert [[type(x) for x in bar] for bar in found["bars"]] == [[type(x) for x in b] for b in one_by_one(frame).bars]


def test_the_symbols_of_records_are_one_string_and_never_too_many(monkeypatch: Any) -> None:
    monkeypatch.setattr(columns, "MOST_SYMBOLS", 4)
    monkeypatch.setattr(columns, "_symbols", {})
    names = [f"S{n}" for n in range(20)]
    for name in names:
        first, second = decode(json.dumps([SECOND | {"sym": name}] * 2).encode()).bars
        assert first.sym is second.sym
        assert first == BAR._replace(sym=name)
    assert len(columns._symbols) <= 5


def test_nothing_is_nothing() -> None:
    assert bars_of([], 1000) == []
    assert trades_of([]) == []
