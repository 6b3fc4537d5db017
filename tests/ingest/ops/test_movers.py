"""The movers snapshot: ranked both ways, of the day alone, limited in rows."""

from __future__ import annotations

from redis import Redis

from ingest.ops.movers import TOP, movers
from tests.fake_vendor import second_bar
from tests.ingest.harness import feed, market

T = 1_760_104_800_000


def test_the_snapshot_ranks_by_signed_value_both_ways(redis: Redis, redis_url: str) -> None:
    first = [second_bar(s, T, 100.0, v) for s, v in (("UP", 10), ("DOWN", 30), ("FLAT", 20), ("NEW", 5))]
    second = [second_bar(s, T + 5_000, c, 1) for s, c in (("UP", 100.2), ("DOWN", 99.0), ("FLAT", 100.0))]
    path = market(redis_url, first, second, closes={"UP": 80.0, "DOWN": 120.0, "FLAT": 100.0})
    found = movers(path.pipeline)
    assert found["t"] == T + 5_000
    assert [r["symbol"] for r in found["velocity"]] == ["UP", "FLAT", "DOWN"]
    assert [r["symbol"] for r in found["velocity_down"]] == ["DOWN", "FLAT", "UP"]
    assert [r["symbol"] for r in found["change"]] == ["UP", "FLAT", "DOWN"]
    assert [r["symbol"] for r in found["change_down"]] == ["DOWN", "FLAT", "UP"]
    assert [(r["symbol"], r["volume"]) for r in found["volume"]] == [("DOWN", 31), ("FLAT", 21), ("UP", 11), ("NEW", 5)]
    assert found["change"][0] == {
        "symbol": "UP", "last": 100.2, "velocity": 0.25, "change": 25.25, "volume": 11, "t": T + 5_000,
    }  # fmt: skip
    assert found["volume"][3] == {"symbol": "NEW", "last": 100.0, "velocity": None, "change": None, "volume": 5, "t": T}


def test_a_move_of_an_hour_ago_is_none_now(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar("F", T)], [second_bar("F", T + 5_000, 101.0)], [second_bar("X", T + 11_000)])
    found = movers(path.pipeline)
    assert found["velocity"] == []
    assert {r["symbol"]: r["velocity"] for r in found["volume"]} == {"F": None, "X": None}


def test_only_symbols_of_the_day_take_part(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar("OLD", T), second_bar("F", T)], [second_bar("F", T + 24 * 3_600_000, 110.0)])
    found = movers(path.pipeline)
    assert [r["symbol"] for r in found["volume"]] == ["F"]
    assert [(r["symbol"], r["change"]) for r in found["change"]] == [("F", 10.0)]


def test_each_list_is_cut_to_its_best(redis: Redis, redis_url: str) -> None:
    path = market(redis_url, [second_bar(f"S{n}", T, 100.0, 1000 + n) for n in range(TOP + 30)])
    rows = movers(path.pipeline)["volume"]
    assert [r["volume"] for r in rows] == [1000 + TOP + 29 - n for n in range(TOP)]


def test_before_any_bar_the_snapshot_is_empty(redis: Redis, redis_url: str) -> None:
    found = movers(feed(redis_url, []).pipeline)
    assert found.pop("t") == 0
    assert all(rows == [] for rows in found.values())
