"""The REST side answers the same market as the WebSocket."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from massive import RESTClient

from market.conditions import ConditionTable
from market.sessions import day_of, trading_day
from simulator import rest
from simulator.event_generator import EventGenerator
from simulator.market import Market, now_s
from simulator.prints import generate
from vendor.massive.conditions import table_of

Get = Callable[[str], tuple[int, Any]]
MARKET = Market(12, 9, 6)


@pytest.fixture(scope="module")
def origin() -> Iterator[str]:
    server = rest.serve(MARKET, 0)
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(scope="module")
def get(origin: str) -> Get:
    def ask(path: str) -> tuple[int, Any]:
        try:
            with urllib.request.urlopen(path if path.startswith("http") else origin + path, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    return ask


def final_bars(start: int, seconds: int) -> dict[tuple[str, int], Any]:
    """The last ``A`` of each second: with all that came late."""
    bars = {}
    for _, events in EventGenerator(MARKET).seconds(start, start + seconds + 60, {"A"}):
        bars.update({(e.symbol, e.body["s"]): e.body for e in events if e.body["s"] < (start + seconds) * 1000})
    return bars


def test_second_bars_are_those_that_were_told(get: Get) -> None:
    start = now_s() - 3000
    made = {k: b for k, b in final_bars(start, 900).items() if k[0] == "AAPL"}
    status, body = get(f"/v2/aggs/ticker/AAPL/range/1/second/{start * 1000}/{start * 1000 + 899_999}?limit=50000")
    assert status == 200
    assert body["resultsCount"] == len(body["results"]) == len(made) > 100
    for row in body["results"]:
        bar = made["AAPL", row["t"]]
        assert {k: row[k] for k in ("o", "h", "l", "c", "v", "vw")} == {
            k: bar[k] for k in ("o", "h", "l", "c", "v", "vw")
        }
        assert row["n"] >= 1


def test_minute_bars_are_the_sums_of_the_seconds(get: Get) -> None:
    start = now_s() // 60 * 60 - 3600
    made = final_bars(start, 600)
    _, body = get(f"/v2/aggs/ticker/MSFT/range/1/minute/{start * 1000}/{start * 1000 + 599_999}?adjusted=false")
    assert body["adjusted"] is False
    assert [row["t"] for row in body["results"]] == [(start + 60 * i) * 1000 for i in range(10)]
    for row in body["results"]:
        mine = [made[k] for k in sorted(made) if k[0] == "MSFT" and row["t"] <= k[1] < row["t"] + 60_000]
        assert (row["o"], row["c"]) == (mine[0]["o"], mine[-1]["c"])
        assert (row["h"], row["l"]) == (max(b["h"] for b in mine), min(b["l"] for b in mine))
        assert row["v"] == sum(b["v"] for b in mine)
        assert row["vw"] == pytest.approx(sum(b["vw"] * b["v"] for b in mine) / row["v"], abs=1e-3)


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    ("path", "limit"), [("1/second", 100), ("7/second", 50), ("1/minute", 3), ("5/minute", 2), ("1/day", 1)]
)
def test_pages_join_to_the_whole(get: Get, sort: str, path: str, limit: int) -> None:
    # Days that have ended: the running one changes while it is asked for.
    end = (now_s() - (2 * 86_400 if path == "1/day" else 4_000)) * 1000
    start = end - (3 * 86_400_000 if path == "1/day" else 1_500_000)
    url = f"/v2/aggs/ticker/AAPL/range/{path}/{start}/{end}?sort={sort}"
    _, whole = get(f"{url}&limit=50000")
    assert "next_url" not in whole
    rows, pages, following = [], 0, f"{url}&limit={limit}"
    while following:
        _, page = get(following)
        rows += page["results"]
        pages += 1
        following = page.get("next_url", "")
    assert rows == whole["results"]
    assert pages > 2
    times = [row["t"] for row in rows]
    assert times == sorted(times, reverse=sort == "desc")


def test_a_long_history_is_walked_in_parts_without_a_seam(get: Get) -> None:
    start = (now_s() - 40_000) * 1000
    _, body = get(f"/v2/aggs/ticker/AAPL/range/1/second/{start}/{start + 30_000_000}?limit=50000")
    whole = generate(MARKET, np.array([MARKET.index["AAPL"]]), start // 1000, start // 1000 + 30_001)
    assert [r["t"] // 1000 for r in body["results"]] == whole.sec[whole.final.c >= 0].tolist()


def test_the_previous_close_is_the_close_of_the_days_last_bar(get: Get) -> None:
    yesterday = trading_day(day_of(now_s() * 1000).date - timedelta(days=1))
    status, body = get(f"/v2/aggs/grouped/locale/us/market/stocks/{yesterday.date}")
    assert status == 200
    rows = {row["T"]: row for row in body["results"]}
    assert set(rows) == set(MARKET.names)
    start, end = yesterday.start // 1000, yesterday.end // 1000
    for name in ("NVDA", "AAPL", MARKET.names[-1]):
        made = generate(MARKET, np.array([MARKET.index[name]]), start, end)
        bars = made.final.c >= 0
        row = rows[name]
        assert row["c"] == made.final.c[bars][-1] / 10_000
        assert row["o"] == made.final.o[bars][0] / 10_000
        assert row["v"] == made.final.v[bars].sum()
        assert row["h"] == pytest.approx(made.final.h[bars].max() / 10_000, rel=0.003)
        assert row["l"] == pytest.approx(made.final.l[bars].min() / 10_000, rel=0.003)
        assert row["vw"] == pytest.approx(made.final.n[bars].sum() / made.final.v[bars].sum() / 10_000, rel=0.01)
        assert row["t"] == yesterday.regular_close
        assert get(f"/v2/aggs/ticker/{name}/prev")[1]["results"] == [row]
        days = get(f"/v2/aggs/ticker/{name}/range/1/day/{yesterday.date}/{yesterday.date}")[1]["results"]
        assert days == [{k: v for k, v in row.items() if k != "T"} | {"t": yesterday.start}]


def test_days_that_are_not_told_have_no_results(get: Get) -> None:
    for day in ("2031-01-01", "2020-01-01"):
        status, body = get(f"/v2/aggs/grouped/locale/us/market/stocks/{day}")
        assert (status, body["resultsCount"]) == (200, 0)
        assert "results" not in body
    future = (now_s() + 60) * 1000
    assert get(f"/v2/aggs/ticker/AAPL/range/1/second/{future}/{future + 1000}")[1]["resultsCount"] == 0
    assert get(f"/v2/aggs/ticker/NOSUCH/range/1/second/{future - 90_000}/{future}")[1]["resultsCount"] == 0
    assert get("/v2/aggs/ticker/NOSUCH/prev")[1]["resultsCount"] == 0


@pytest.mark.parametrize(
    ("path", "status", "word"),
    [
        ("/v2/aggs/ticker/AAPL/range/1/second/x/2026-01-01", 400, "from"),
        ("/v2/aggs/ticker/AAPL/range/1/second/2026-01-02/2026-01-01", 400, "before"),
        ("/v2/aggs/ticker/AAPL/range/0/second/1/2", 400, "multiplier"),
        ("/v2/aggs/ticker/AAPL/range/1/month/1/2", 400, "month"),
        ("/v2/aggs/ticker/AAPL/range/1/second/1/2?limit=50001", 400, "limit"),
        ("/v2/aggs/ticker/AAPL/range/1/second/1/2?sort=up", 400, "sort"),
        ("/v2/aggs/grouped/locale/us/market/stocks/2026-13-01", 400, "2026-13-01"),
        ("/v2/nothing", 404, "path"),
    ],
)
def test_errors_have_the_vendors_shape(get: Get, path: str, status: int, word: str) -> None:
    answered, body = get(path)
    assert answered == status
    assert body["status"] == ("NOT_FOUND" if status == 404 else "ERROR")
    assert word in body["error"]
    assert body["request_id"]


def test_conditions_and_market_status(get: Get) -> None:
    table = ConditionTable.frozen()
    rows = get("/v3/reference/conditions?asset_class=stocks&limit=1000")[1]["results"]
    assert table_of(rows)[0].conditions == table.conditions
    assert {row["id"] for row in rows} == set(table.conditions)
    assert get("/v1/marketstatus/now")[1]["market"] == "open"


def test_the_vendors_rest_client_reads_it(origin: str) -> None:
    client = RESTClient(api_key="any", base=origin)
    end = (now_s() - 100) * 1000
    bars = list(client.list_aggs("AAPL", 1, "second", end - 600_000, end, limit=100))
    assert len(bars) > 100
    assert all(b.low <= b.open <= b.high for b in bars)
    yesterday = day_of(now_s() * 1000).date - timedelta(days=1)
    assert len(client.get_grouped_daily_aggs(str(yesterday))) == 12
    assert client.get_previous_close_agg("AAPL")[0].close > 0
