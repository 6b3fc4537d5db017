"""The emulation does what was seen on a running Grafana, so that what passes here draws there."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grafana.query import number, query, string, time
from tests.grafana.infinity import InfinityError, View, address, interpolate, run

VIEW = View(1_000, 2_000, {"one": "AAPL", "many": ["A", "B"], "single": ["A"]})


def answering(rows: Any, status: int = 200) -> Any:
    return lambda path: (status, json.dumps(rows).encode())


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("${one}", "AAPL"),
        ("$one", "AAPL"),
        ("${many}", "{A,B}"),
        ("${many:csv}", "A,B"),
        ("${single}", "A"),
        ("${unknown}", "${unknown}"),
    ],
)
def test_variables(text: str, shown: str) -> None:
    assert interpolate(text, VIEW) == shown


def test_address_has_macros_and_the_parameter_that_wins() -> None:
    target = query("/candles?limit=1", [time()], {"limit": "2", "from": "${__timeFrom}", "symbol": "${many:csv}"})
    assert address(target, VIEW) == "/api/v1/candles?limit=2&from=1000&symbol=A%2CB"


def test_fields_are_sorted_and_typed() -> None:
    target = query("/x", [time("t"), number("v", "b"), string("s", "a"), number("gone")])
    fields = run(target, VIEW, answering([{"t": 5, "v": "1.5", "s": "x", "undeclared": 1}]))
    assert [(f.name, f.kind, f.values) for f in fields] == [
        ("a", "string", ["x"]),
        ("b", "number", [1.5]),
        ("gone", "number", [None]),
        ("time", "time", [5]),
    ]


def test_an_object_is_one_row_and_no_rows_are_no_fields() -> None:
    target = query("/x", [number("n")], root="part")
    assert run(target, VIEW, answering({"part": {"n": 0}}))[0].values == [0]
    assert run(target, VIEW, answering({"part": []})) == []


def test_a_refusal_and_a_missing_root_are_errors() -> None:
    with pytest.raises(InfinityError, match="400"):
        run(query("/x", [number("n")]), VIEW, answering({}, 400))
    with pytest.raises(InfinityError, match="root selector"):
        run(query("/x", [number("n")], root="part"), VIEW, answering({}))
    with pytest.raises(InfinityError, match="NaN"):
        run(query("/x", [number("n")]), VIEW, lambda path: (200, b'[{"n": NaN}]'))


LONG = [{"t": 1, "s": "A", "v": 1}, {"t": 1, "s": "B", "v": 2}, {"t": 2, "s": "A", "v": 3}]


def test_long_rows_become_series_only_when_they_ascend() -> None:
    target = query("/x", [time(), string("s"), number("v")], fmt="timeseries")
    fields = run(target, VIEW, answering(LONG))
    assert [(f.name, f.labels, f.values) for f in fields] == [
        ("time", {}, [1, 2]),
        ("v", {"s": "A"}, [1, 3]),
        ("v", {"s": "B"}, [2, None]),
    ]
    assert [f.kind for f in run(target, VIEW, answering(LONG[::-1]))] == ["string", "time", "number"]
