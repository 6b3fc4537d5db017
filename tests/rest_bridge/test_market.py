"""Symbols, movers and statistics over REST."""

from __future__ import annotations

import json
from typing import Any

import pytest
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.statistics import STATISTICS
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000


def mover(symbol: str, velocity: float | None) -> dict[str, Any]:
    return {"symbol": symbol, "last": 10.5, "velocity": velocity, "change": None, "volume": 1000, "t": T0}


@pytest.fixture
def snapshot(redis: Redis) -> None:
    lists = {
        "velocity": [mover("UP", 2.0), mover("FLAT", 0.0), mover("DOWN", -3.0)],
        "velocity_down": [mover("DOWN", -3.0), mover("FLAT", 0.0), mover("UP", 2.0)],
        "volume": [mover("FLAT", None)],
    }
    redis.set(keys.MOVERS, json.dumps({"t": T0, **lists}))


def test_symbols_are_sorted(api: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "MSFT", "AAPL", "BRK.B", "KIMpL")
    assert [r["symbol"] for r in api.rows("symbols")] == ["AAPL", "BRK.B", "KIMpL", "MSFT"]
    assert api.rows("symbols", limit=1) == [{"symbol": "AAPL"}]


def test_the_best_match_comes_first(api: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "XT", "T", "TT", "AAPL", "AT", "t")
    assert [r["symbol"] for r in api.rows("symbols", q="t")] == ["T", "t", "TT", "AT", "XT"]
    assert api.rows("symbols", q="ZZZ") == []


def test_before_the_first_bar_there_is_nothing(api: Api) -> None:
    for path in ("symbols", "movers", "movers/candles", "alerts", "annotations", "stats/series?names=lag_ms"):
        assert api.client.get(f"/api/v1/{path}").data == b"[]"
    assert set(api.rows("stats").values()) == {None}


@pytest.mark.usefixtures("snapshot")
def test_movers_best_first_in_either_order(api: Api) -> None:
    assert [r["symbol"] for r in api.rows("movers")] == ["UP", "FLAT", "DOWN"]
    assert [r["symbol"] for r in api.rows("movers", by="velocity", order="asc", limit=2)] == ["DOWN", "FLAT"]
    assert api.rows("movers", by="volume") == [mover("FLAT", None)]
    assert api.rows("movers", by="change") == []


@pytest.mark.parametrize("query", [{"by": "price"}, {"order": "up"}, {"limit": "51"}, {"by": "volume", "order": "asc"}])
@pytest.mark.parametrize("path", ["movers", "movers/candles"])
def test_movers_by_what_is_not_there_are_refused(api: Api, path: str, query: dict[str, str]) -> None:
    api.refused(path, **query)


@pytest.mark.usefixtures("snapshot")
def test_candles_of_movers_are_long_rows(api: Api, redis: Redis) -> None:
    write_bars(redis, [Bar(s, T0 + i * 60_000, 1, 1, 1, 10_000 + i, 1, 1) for s in ("UP", "DOWN") for i in range(2)])
    assert api.rows("movers/candles", by="velocity") == [
        {"t": T0, "symbol": "UP", "c": 1.0},
        {"t": T0, "symbol": "DOWN", "c": 1.0},
        {"t": T0 + 60_000, "symbol": "UP", "c": 1.0001},
        {"t": T0 + 60_000, "symbol": "DOWN", "c": 1.0001},
    ]
    only = api.rows("movers/candles", order="asc", limit=1, from_=T0 + 1)
    assert [(r["symbol"], r["t"]) for r in only] == [("DOWN", T0 + 60_000)]


@pytest.mark.usefixtures("snapshot")
def test_the_fastest_have_in_each_span_the_velocity_furthest_from_zero(api: Api, redis: Redis) -> None:
    assert api.rows("movers/velocity") == []
    prices = {"UP": [100, 100, 100, 100, 100, 102, 101], "DOWN": [100, 100, 100, 100, 100, 97, 99]}
    bars = [
        Bar(name, T0 - 20_000 + i * 1000, p * 10_000, p * 10_000, p * 10_000, p * 10_000, 1, p * 10_000)
        for name, closes in prices.items()
        for i, p in enumerate(closes)
    ]
    write_bars(redis, bars)
    asked = {"from_": T0 - 20_000, "to": T0, "points": 2}
    rows = api.rows("movers/velocity", **asked)
    assert [(r["symbol"], r["t"], r["velocity"]) for r in rows] == [
        ("DOWN", T0 - 20_000, -3.0),
        ("UP", T0 - 20_000, 2.0),
    ]
    # The fastest is the one furthest from zero, whichever way.
    assert {r["symbol"] for r in api.rows("movers/velocity", **asked, limit=1)} == {"DOWN"}


def put(redis: Redis, name: str, *samples: tuple[int, float]) -> None:
    for t, value in samples:
        redis.execute_command("TS.ADD", keys.stat(name), t, value)


def test_the_newest_of_each_statistic(api: Api, redis: Redis) -> None:
    put(redis, "bars_per_second", (T0, 10), (T0 + 1000, 12.5))
    put(redis, "advancing", (T0, 3))
    found = api.rows("stats")
    assert (found["t"], found["bars_per_second"], found["advancing"], found["declining"]) == (T0 + 1000, 12.5, 3, None)
    assert set(found) == {"t", *STATISTICS}
    assert {"advancing", "declining", "unchanged", "active_symbols", "lag_ms", "restated", "rejected"} <= set(found)


def test_the_course_of_statistics(api: Api, redis: Redis) -> None:
    put(redis, "lag_ms", *((T0 + i * 1000, i) for i in range(4)))
    put(redis, "alerts", (T0 + 1000, 7))
    asked = {"names": "lag_ms,alerts"}
    assert api.rows("stats/series", **asked, from_=T0 + 1000, to=T0 + 2000) == [
        {"t": T0 + 1000, "lag_ms": 1, "alerts": 7},
        {"t": T0 + 2000, "lag_ms": 2, "alerts": None},
    ]
    assert [r["t"] - T0 for r in api.rows("stats/series", **asked, limit=2)] == [2000, 3000]
    assert api.rows("stats/series", names="lag_ms", step=2) == [
        {"t": T0, "lag_ms": 0.5},
        {"t": T0 + 2000, "lag_ms": 2.5},
    ]


def test_the_newest_rows_are_whole_though_one_statistic_is_sparse(api: Api, redis: Redis) -> None:
    """The newest two samples of a sparse one reach further back than those of the other: no half rows in between."""
    put(redis, "lag_ms", *((T0 + i * 1000, i) for i in range(6)))
    put(redis, "alerts", (T0, 1), (T0 + 1000, 2), (T0 + 5000, 3))
    rows = api.rows("stats/series", names="lag_ms,alerts", limit=2)
    assert rows == [{"t": T0 + 4000, "lag_ms": 4, "alerts": None}, {"t": T0 + 5000, "lag_ms": 5, "alerts": 3}]


def test_a_long_course_is_thinned_to_about_so_many_points(api: Api, redis: Redis) -> None:
    put(redis, "lag_ms", *((T0 + i * 1000, i) for i in range(40)))
    asked = {"names": "lag_ms", "from_": T0, "to": T0 + 40_000}
    assert api.rows("stats/series", **asked, points=4) == [
        {"t": T0 + i * 10_000, "lag_ms": i * 10 + 4.5} for i in range(4)
    ]
    assert len(api.rows("stats/series", **asked, points=100)) == 40
    assert len(api.rows("stats/series", **asked, points=4, step=20)) == 2


@pytest.mark.parametrize("names", ["", "price", "lag_ms,", "ts:{A}:1s:close"])
def test_unknown_statistics_are_refused(api: Api, names: str) -> None:
    assert "names" in api.refused("stats/series", names=names)
