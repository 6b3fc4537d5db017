"""What every answer has in common: CSV on request, and symbols in any case."""

from __future__ import annotations

import csv
import io
import json

import pytest
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert
from redis_functions.lua import calls, loader
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000


@pytest.fixture
def filled(api: Api, redis: Redis) -> Api:
    loader.ensure(redis)
    calls.raise_alert_sync(redis, Alert("a:1", T0, "AAPL", "velocity", "info", None, 1.5, 'a "word", and more', 1.0), 0)
    write_bars(redis, [Bar("AAPL", T0, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 0, 0)])
    write_bars(redis, [Bar("KIMpL", T0 + 500, 1, 1, 1, 1, 1, 1)])
    redis.execute_command("TS.ADD", keys.stat("lag_ms"), T0, 1.5)
    row = {"symbol": "AAPL", "last": 100.0, "velocity": None, "change": 1.0, "volume": 5, "t": T0}
    redis.set(keys.MOVERS, json.dumps({"t": T0, "velocity": [row], "change": [row], "volume": [row]}))
    return api


def table(api: Api, path: str, **headers: str) -> list[dict[str, str]]:
    reply = api.client.get(path if path.startswith("/") else f"/api/v1/{path}", headers=headers)
    assert (reply.status_code, reply.mimetype) == (200, "text/csv"), reply.text
    return list(csv.DictReader(io.StringIO(reply.text)))


def test_candles_as_csv(filled: Api) -> None:
    expected = "t,t_iso,o,h,l,c,v,vw\n1760103000000,2025-10-10T13:30:00Z,100.0,100.0,100.0,100.0,0,\n"
    assert filled.client.get("/api/v1/candles?symbol=AAPL&timeframe=1s&format=csv").text == expected
    several = table(filled, "candles?symbol=AAPL,MSFT&timeframe=1s&format=csv")
    assert [row["symbol"] for row in several] == ["AAPL"]


def test_whoever_accepts_csv_alone_gets_it(filled: Api) -> None:
    path = "/api/v1/candles?symbol=AAPL&timeframe=1s"
    assert len(table(filled, path, Accept="text/csv")) == 1
    for accept in ("*/*", "application/json, text/csv", "text/html, */*"):
        assert filled.client.get(path, headers={"Accept": accept}).mimetype == "application/json"
    assert filled.client.get(f"{path}&format=json", headers={"Accept": "text/csv"}).mimetype == "application/json"
    assert filled.client.get("/api/v1/stats", headers={"Accept": "text/csv"}).mimetype == "application/json"


def test_every_list_is_a_table_with_a_column_for_each_member(filled: Api) -> None:
    for path, item in filled.spec["paths"].items():
        operation = item["get"]
        if "text/csv" not in operation["responses"]["200"]["content"]:
            assert (
                operation["responses"]["200"]["content"].get("application/json", {}).get("schema", {}).get("type")
                != "array"
            )
            continue
        query = "&".join(f"{p['name']}={p['example']}" for p in operation["parameters"] if p["required"])
        url = f"{path}?{query}"
        rows = json.loads(filled.client.get(url).data)
        found = table(filled, f"{url}&format=csv")
        assert len(found) == len(rows), path
        for row, cells in zip(rows, found, strict=True):
            assert [name for name in cells if not name.endswith("_iso")] == list(row), path
            for name, value in row.items():
                if isinstance(value, float | int) and not isinstance(value, bool):
                    assert float(cells[name]) == value
                elif isinstance(value, str):
                    assert cells[name] == value
                elif value is None:
                    assert cells[name] == ""


def test_an_empty_table_has_its_heading(filled: Api) -> None:
    headings = {
        "candles?symbol=NONE": "t,t_iso,o,h,l,c,v,vw",
        "indicators?symbol=NONE&names=sma:5": "t,t_iso,o,h,l,c,v,vw,sma_5",
        "stats/series?names=symbols": "t,t_iso,symbols",
        "quote?symbol=NONE": "symbol,last,t,t_iso,previous_close,change_money,change,open,high,low,volume,vwap,velocity,halted",
    }
    for path, heading in headings.items():
        assert filled.client.get(f"/api/v1/{path}&format=csv").text == f"{heading}\n"


def test_a_symbol_in_another_case_is_found_and_named(filled: Api) -> None:
    for path in ("candles?timeframe=1s", "quote?", "alerts?", "gaps?", "indicators?names=sma:1&timeframe=1s"):
        url = f"/api/v1/{path}&symbol="
        small = filled.client.get(f"{url}aapl")
        assert small.headers["X-Symbol"] == "AAPL"
        assert small.data == filled.client.get(f"{url}AAPL").data != b"[]"
        assert "X-Symbol" not in filled.client.get(f"{url}AAPL").headers
        assert "X-Symbol" not in filled.client.get(f"{url}NONE").headers


def test_of_a_list_only_what_is_not_known_is_looked_up(filled: Api, redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "aapl")  # a symbol of its own, without bars
    assert "X-Symbol" not in filled.client.get("/api/v1/candles?symbol=aapl").headers
    reply = filled.client.get("/api/v1/candles?symbol=AAPL, kimpl ,none&timeframe=1s&labels=1")
    assert reply.headers["X-Symbol"] == "AAPL,KIMpL,none"


def test_symbols_that_came_later_are_found_too(filled: Api, redis: Redis) -> None:
    assert "X-Symbol" not in filled.client.get("/api/v1/candles?symbol=msft").headers
    redis.sadd(keys.SYMBOLS, "MSFT")
    assert filled.client.get("/api/v1/candles?symbol=msft").headers["X-Symbol"] == "MSFT"


def test_an_answer_is_not_shared_with_another_address(
    filled: Api, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would have to wait for what the other has in the queue."""
    monkeypatch.setattr("rest_bridge.single_flight.SHARED_S", 60)

    def close_for(address: str) -> float:
        path = f"/api/v1/candles?symbol=AAPL&timeframe=1s&from={T0}&to={T0}"
        (row,) = filled.client.get(path, environ_base={"REMOTE_ADDR": address}).get_json()
        return float(row["c"])

    assert close_for("127.0.0.1") == 100
    write_bars(redis, [Bar("AAPL", T0, 1_000_000, 1_200_000, 1_000_000, 1_200_000, 0, 0)])
    assert (close_for("127.0.0.1"), close_for("127.0.0.2")) == (100, 120)
