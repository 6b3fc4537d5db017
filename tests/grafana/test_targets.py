"""Every query of every panel, variable and annotation, sent to a running bridge as Infinity sends it."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from werkzeug.test import Client

from redis_functions.server.connection import connect
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from tests.grafana import harness
from tests.grafana.boards import BOARDS, Json, panels, targets, view
from tests.grafana.infinity import Field, Get, run

TARGETS = [pytest.param(board, target, panel, id=f"{board}-{where}") for board, where, target, panel in targets()]
COUNTS = [
    pytest.param(board, target, id=f"{board}-{where}")
    for board, where, target, _ in targets()
    if target["url"].endswith("/alerts/summary") or target["root_selector"] == "coverage"
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
    long = run({**target, "format": "table"}, view(BOARDS[board], now, panel), get)
    declared = {column["text"]: KINDS[column["type"]] for column in target["columns"]}
    assert {field.name: field.kind for field in long} == declared
    for field in long:
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
            assert run(target, shown, get), option["value"]


def test_lookbacks_change_the_averages_under_the_same_names(get: Get, now: int) -> None:
    board = BOARDS["moving-averages"]
    target = next(p for _, p in panels() if p["title"].endswith("close and averages"))["targets"][0]

    def newest(**chosen: str) -> dict[str, float]:
        return {f.name: f.values[-1] for f in run(target, view(board, now, **chosen), get)}

    short, longer = newest(fast="5", slow="20", ema="10"), newest(fast="10", slow="100", ema="10")
    assert short.keys() == longer.keys() == {"time", "close", "fast", "slow", "ema"}
    assert short["ema"] == longer["ema"]
    assert short["fast"] != longer["fast"]
    assert short["slow"] != longer["slow"]


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
