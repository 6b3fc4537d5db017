"""What the bridge answers for the dashboards' sake: columns under names of their own, labels, lists, thinned series."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from redis import Redis

from indicators.registry import parse_names
from market.bar import Bar
from redis_functions.contract import keys
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from tests.support import write_bars

Ask = Callable[..., Any]
START = 1_700_000_040_000


@pytest.fixture
def ask(redis: Redis, redis_url: str) -> Ask:
    client = create_app(BridgeConfig(redis_url)).test_client()

    def get(path: str, status: int = 200, **query: Any) -> Any:
        with client.get(f"/api/v1{path}", query_string={k.rstrip("_"): v for k, v in query.items()}) as reply:
            assert reply.status_code == status, reply.text
            return reply.json

    return get


@pytest.fixture
def bars(redis: Redis) -> None:
    prices = [10_000 * n for n in range(1, 31)]
    write_bars(redis, [Bar(s, START + 1000 * i, p, p, p, p, 1, p) for s in ("A", "B") for i, p in enumerate(prices)])


@pytest.mark.usefixtures("bars")
def test_an_average_under_a_name_of_its_own_has_the_usual_values(ask: Ask) -> None:
    usual = ask("/indicators", symbol="A", timeframe="1s", names="sma:5,ema:3")
    named = ask("/indicators", symbol="A", timeframe="1s", names="fast=sma:5,mine=ema:3", converged="1")
    assert [row["sma_5"] for row in usual] == [row["fast"] for row in named]
    assert [row["ema_3"] for row in usual] == [row["mine"] for row in named]
    assert named[-1]["fast"] == 28.0
    assert named[-1]["fast_converged"] is True
    assert "sma_5" not in named[0]


@pytest.mark.parametrize("name", ["c", "vw", "t", "symbol", "Fast", "1st", "", "a b", "x" * 33, "a=b"])
def test_names_that_columns_cannot_have(ask: Ask, name: str) -> None:
    answer = ask("/indicators", 400, symbol="A", names=f"{name}=sma:5")
    assert "no name for a column" in answer["error"]["message"]


def test_one_name_is_for_one_indicator() -> None:
    with pytest.raises(ValueError, match="two different"):
        parse_names("fast=sma:5,fast=sma:6")
    with pytest.raises(ValueError, match="two different"):
        parse_names("sma:5,sma_5=ema:5")
    assert [one.name for one in parse_names("fast=sma:5,fast=sma:5,sma:5")] == ["fast", "sma_5"]


@pytest.mark.usefixtures("bars")
@pytest.mark.parametrize("path", ["/candles", "/velocity"])
def test_rows_of_one_symbol_are_labelled_when_asked(ask: Ask, path: str) -> None:
    plain, labelled = ask(path, symbol="A"), ask(path, symbol="A", labels="1")
    assert plain
    assert labelled == [{"symbol": "A", **row} for row in plain]
    assert ask(path, symbol="A,B", labels="1") == ask(path, symbol="A,B")


def test_alerts_of_a_list_of_symbols(ask: Ask, redis: Redis) -> None:
    for number, symbol in enumerate("ABCA"):
        fields = {"id": f"r:{number}", "t": str(START + number), "symbol": symbol, "rule": "r", "severity": "info"}
        redis.xadd(keys.ALERTS, fields | {"direction": "", "magnitude": "1", "message": "m", "price": "1"})
    assert [row["symbol"] for row in ask("/alerts", symbol="A,B")] == ["A", "B", "A"]
    assert len(ask("/annotations", symbol="C,D")) == 1
    assert ask("/alerts/summary", symbol="A,C")["total"] == 3
    assert ask("/alerts/summary")["total"] == 4


@pytest.mark.parametrize(("points", "step_s"), [(60, 10), (600, 0), (7, 86)])
def test_statistics_are_thinned_to_about_so_many_points(ask: Ask, redis: Redis, points: int, step_s: int) -> None:
    for second in range(600):
        redis.execute_command("TS.ADD", keys.stat("lag_ms"), START + second * 1000, second % 10)
    shown = {"names": "lag_ms", "from_": START, "to": START + 599_999}
    rows = ask("/stats/series", **shown, points=points)
    assert rows == ask("/stats/series", **shown, step=step_s)
    assert len(rows) <= points + 1
    if step_s:
        assert 0 <= min(row["lag_ms"] for row in rows) <= 4.5 <= max(row["lag_ms"] for row in rows) <= 9
    else:
        assert len(rows) == 600


def test_points_without_a_range_are_days_at_most(ask: Ask, redis: Redis) -> None:
    redis.execute_command("TS.ADD", keys.stat("lag_ms"), START, 5)
    (row,) = ask("/stats/series", names="lag_ms", points=10)
    assert row["lag_ms"] == 5
