"""Every query of every panel, variable and annotation, sent to a running bridge as Infinity sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import pairwise

import pytest
from werkzeug.test import Client

from indicators.entries import INDICATORS
from indicators.registry import parse_names
from redis_functions.server.connection import connect
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from tests.grafana import harness
from tests.grafana.boards import BOARDS, ON, Json, may_be_empty, panels, targets, view
from tests.grafana.infinity import Field, Get, interpolate, run

TARGETS = [pytest.param(board, target, panel, id=f"{board}-{where}") for board, where, target, panel in targets()]
COUNTS = [
    pytest.param(board, target, id=f"{board}-{where}")
    for board, where, target, _ in targets()
    if target["url"].endswith("/alerts/summary")
    # A symbol that was never seen has no coverage.
    or (target["root_selector"] == "coverage" and board != "symbol")
]

KINDS = {"timestamp_epoch": "time", "number": "number", "string": "string"}


def getter(redis_url: str) -> Get:
    client = Client(create_app(BridgeConfig(redis_url, always_open=True)))

    def get(path: str) -> tuple[int, bytes]:
        with client.get(path) as reply:
            return reply.status_code, reply.get_data()

    return get


@pytest.fixture(scope="module")
def now(redis_url: str) -> int:
    """A market is there up to this moment."""
    moment = int(time.time()) * 1000
    with connect(redis_url) as client:
        client.flushall()
        harness.fill(client, moment)
    return moment


@pytest.fixture(scope="module")
def get(redis_url: str, now: int) -> Get:
    return getter(redis_url)


@pytest.fixture
def empty(redis_url: str) -> Iterator[Get]:
    """A bridge over a store in which nothing has happened; the market is back afterwards."""
    with connect(redis_url) as client:
        client.flushall()
        yield getter(redis_url)
        harness.fill(client, int(time.time()) * 1000)


def check_times(fields: list[Field]) -> None:
    for field in fields:
        if field.kind == "time" and field.name in ("time", "Time"):
            assert None not in field.values
            assert field.values == sorted(field.values)
            # Epoch milliseconds of this century, not seconds or nanoseconds.
            assert 10**12 < field.values[0] < 10**13


@pytest.mark.parametrize(("board", "target", "panel"), TARGETS)
def test_every_target_gives_typed_filled_ascending_columns(
    board: str, target: Json, panel: Json | None, get: Get, now: int
) -> None:
    long = run({**target, "format": "table"}, view(BOARDS[board], now, panel, **ON), get)
    declared = {column["text"]: KINDS[column["type"]] for column in target["columns"]}
    assert {field.name: field.kind for field in long} == declared
    for field in long:
        if not may_be_empty(field.name):
            assert any(value is not None for value in field.values), f"{field.name} is nowhere filled"
    check_times(long)
    drawn = run(target, view(BOARDS[board], now, panel), get)
    if target["format"] != "timeseries":
        return
    # As a time series: no text is left; text columns have become labels that distinguish the series.
    assert {field.kind for field in drawn} == {"time", "number"}
    labels = [(field.name, *field.labels.values()) for field in drawn if field.kind == "number"]
    assert len(set(labels)) == len(labels)
    assert all(all(label) for label in labels)
    check_times(drawn)


@pytest.mark.parametrize(("board", "target"), COUNTS)
def test_counts_are_numbers_where_nothing_happened(board: str, target: Json, empty: Get) -> None:
    fields = run(target, view(BOARDS[board], int(time.time() * 1000)), empty)
    assert fields
    assert all(isinstance(value, float) for field in fields for value in field.values)


@pytest.mark.parametrize("chosen", [["AAPL"], ["BRK.B", "TSLA"]])
def test_chosen_symbols_are_told_apart_also_when_it_is_one(chosen: list[str], get: Get, now: int) -> None:
    panel = next(p for _, p in panels() if p["title"] == "Velocity of the chosen symbols")
    board = BOARDS["velocity-alerts"]
    fields = run(panel["targets"][0], view(board, now, symbols=chosen), get)
    assert sorted(f.labels["symbol"] for f in fields if f.kind == "number") == chosen
    annotation = board["annotations"]["list"][1]["target"]
    titles = next(f for f in run(annotation, view(board, now, symbols=chosen), get) if f.name == "title")
    assert {title.split()[0] for title in titles.values} == set(chosen)


@pytest.mark.parametrize("board", ["symbol", "moving-averages"])
def test_every_timeframe_can_be_chosen(board: str, get: Get, now: int) -> None:
    variable = next(v for v in BOARDS[board]["templating"]["list"] if v["name"] == "timeframe")
    requested = [t for b, _, t, _ in targets() if b == board and "timeframe" in str(t["url_options"])]
    for option in variable["options"]:
        for target in requested:
            # A candle that began before the range is not in it, so long timeframes get a longer range.
            shown = view(BOARDS[board], now, timeframe=option["value"])
            shown = type(shown)(now - 3 * 86_400_000, now, shown.variables)
            # A pattern or a crossing need not be there.
            assert run(target, shown, get) or target["refId"] == "Anno", option["value"]


def test_lookbacks_change_the_averages_under_the_same_names(get: Get, now: int) -> None:
    board = BOARDS["moving-averages"]
    target = next(p for p in board["panels"] if p["type"] == "candlestick")["targets"][0]

    def newest(**chosen: str) -> dict[str, float]:
        return {f.name: f.values[-1] for f in run(target, view(board, now, **chosen), get)}

    short, longer = newest(sma="5", wma="20", ema="10"), newest(sma="10", wma="60", ema="10")
    assert short.keys() == longer.keys() == {"time", "open", "high", "low", "close", "sma", "ema", "wma"}
    assert short["ema"] == longer["ema"]
    assert short["sma"] != longer["sma"]
    assert short["wma"] != longer["wma"]


@pytest.mark.parametrize("title", ["Fastest up", "Fastest down", "Gainers", "Losers"])
def test_a_movers_sparklines_belong_to_its_rows(title: str, get: Get, now: int) -> None:
    board, panel = next((b, p) for b, p in panels() if p["title"] == title)
    rows, sparklines = (run(t, view(BOARDS[board], now, panel), get) for t in panel["targets"])
    symbols = next(f for f in rows if f.name == "symbol").values
    assert {f.labels["symbol"] for f in sparklines if f.kind == "number"} == set(symbols)
    # Without a time the rows are left alone by the transformation that makes sparklines.
    assert "time" not in {f.kind for f in rows}
    by = "velocity" if title.startswith("Fastest") else "change"
    values = next(f for f in rows if f.name == by).values
    assert values == sorted(values, reverse=title in ("Fastest up", "Gainers"))


def symbol_panel(title: str) -> Json:
    return next(p for p in BOARDS["symbol"]["panels"] if p["title"] == title)


def filled(fields: list[Field]) -> set[str]:
    return {f.name for f in fields if f.kind == "number" and any(value is not None for value in f.values)}


LINES = [
    pytest.param(board, panel, id=f"{board}-{panel['title']}")
    for board, panel in panels()
    if panel["type"] in ("timeseries", "candlestick") and "'breaks'" in str(panel["targets"])
]


@pytest.mark.parametrize(("board", "panel"), LINES)
def test_an_outage_is_a_break_in_every_line(board: str, panel: Json, get: Get, now: int) -> None:
    start, end = (now - before for before in harness.OUTAGE_MS)
    times, *series = sorted(
        run(panel["targets"][0], view(BOARDS[board], now, panel), get), key=lambda field: field.kind != "time"
    )
    out = [i for i, t in enumerate(times.values) if start - 60_000 <= t <= end + 60_000]
    for field in series:
        assert None in [field.values[i] for i in out], field.name


LINES_OF = {
    "average1": ["wma:50", "dema:33", "ema:7"],
    "average2": ["sma:5"],
    "vwap": [],
    "bands": ["bands=bbands:30:2.5"],
}


@pytest.mark.parametrize("name", LINES_OF)
def test_overlays_are_chosen_typed_and_switched_off(name: str, get: Get, now: int) -> None:
    variable = next(v for v in BOARDS["symbol"]["templating"]["list"] if v["name"] == name)
    target = symbol_panel("${symbol}, ${timeframe}")["targets"][0]
    always = {"open", "high", "low", "close", "Previous close"}
    column = {"average1": "one", "average2": "two"}.get(name, name)
    for value in [*(option["value"] for option in variable["options"]), *LINES_OF[name]]:
        found = filled(run(target, view(BOARDS["symbol"], now, timeframe="15s", **{name: value}), get))
        assert always < found
        shown = {field for field in found if field.split("_")[0] == column}
        assert shown == (
            set()
            if value.startswith("off=")
            else {f"bands_{edge}" for edge in ("upper", "middle", "lower")}
            if name == "bands"
            else {column}
        ), value


@pytest.mark.parametrize("name", INDICATORS)
def test_any_indicator_of_the_catalog_can_be_chosen(name: str, get: Get, now: int) -> None:
    variable = next(v for v in BOARDS["symbol"]["templating"]["list"] if v["name"] == "study")
    options = run(variable["query"]["infinityQuery"], view(BOARDS["symbol"], now), get)
    values = next(f.values for f in options if f.name == variable["query"]["meta"]["valueField"])
    study = next(value for value in values if value.split(":")[0] == name)
    target = symbol_panel("${study}")["targets"][0]
    found = filled(run(target, view(BOARDS["symbol"], now, study=study), get))
    # Relative volume needs earlier sessions.
    assert found == (set() if name == "rvol" else set(parse_names(f"study={study}")[0].outputs))


def test_crosses_and_patterns_are_marks_that_can_be_switched_off(get: Get, now: int) -> None:
    marks = {a["name"]: a for a in BOARDS["symbol"]["annotations"]["list"] if "target" in a}
    assert {name: mark["enable"] for name, mark in marks.items()} == {
        "Alerts": True,
        "Crosses": True,
        "Patterns": False,
    }
    shown = view(BOARDS["symbol"], now, timeframe="15s")
    for name in ("Crosses", "Patterns"):
        fields = {f.name: f.values for f in run(marks[name]["target"], shown, get)}
        assert fields["time"]
        # Every title begins with that of a pattern that was asked for.
        names = interpolate(
            next(p["value"] for p in marks[name]["target"]["url_options"]["params"] if p["key"] == "names"), shown
        )
        assert set(fields["tags"]) <= set(names.split(","))
        assert all(fields["title"])


def test_crossings_are_where_the_difference_changes_its_sign(get: Get, now: int) -> None:
    board = BOARDS["moving-averages"]
    shown = view(board, now, timeframe="5s", ema="5", sma="10")
    mark = next(a["target"] for a in board["annotations"]["list"] if a["name"] == "Crossings")
    crossings = next(f.values for f in run(mark, shown, get) if f.name == "time")
    target = next(p for p in board["panels"] if " minus " in p["title"])["targets"][0]
    fields = {f.name: f.values for f in run(target, shown, get)}
    known = [(t, d) for t, d in zip(fields["time"], fields["Difference"], strict=True) if d is not None]
    expected = [t for (_, before), (t, after) in pairwise(known) if before * after < 0]
    assert expected
    # Whether they cross at the first candle depends on the one before the range.
    assert [t for t in crossings if t > known[0][0]] == expected


def test_too_few_candles_are_said_in_words(get: Get, now: int) -> None:
    board = BOARDS["moving-averages"]
    panel = next(p for p in board["panels"] if p["title"] == "${symbol} now")
    fields = {f.name: f.values for f in run(panel["targets"][0], view(board, now, timeframe="5m", sma="200"), get)}
    assert fields["sma"] == [None]
    assert fields["close"] != [None]
    (mapping,) = panel["fieldConfig"]["defaults"]["mappings"]
    assert mapping["options"]["result"]["text"] == "too few candles"


def test_a_symbol_that_is_not_known_shows_nothing_and_no_error(get: Get, now: int) -> None:
    for board, where, target, panel in targets():
        if board == "symbol" and "${symbol}" in str(target):
            fields = run(target, view(BOARDS[board], now, panel, symbol="ZZZ"), get)
            # That there were none is a number.
            assert not filled(fields) or target["url"].endswith("/stats"), where
