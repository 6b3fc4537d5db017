"""A list that is longer than one answer: what is left out is signalled, and a script that follows gets each row once."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Redis

from indicators.patterns import TITLES
from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert
from redis_functions.lua import calls, loader
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000


def bars(symbol: str, seconds: range) -> list[Bar]:
    found = []
    for s in seconds:
        price = 1_000_000 + (s * 7919) % 9_000
        found.append(
            Bar(symbol, T0 + s * 1000, price, price + 500 * (s % 3), price - 400, price + 100 * (s % 5), 10, price * 10)
        )
    return found


def pages(api: Api, path: str, meanwhile: Callable[[int], None] = lambda page: None) -> Iterator[list[Any]]:
    """The pages from the first, by their Link headers; `meanwhile` is called after each with its number."""
    url, number = f"/api/v1/{path}", 0
    while url:
        reply = api.client.get(url, headers={"Host": "127.0.0.1:8080"})
        assert reply.status_code == 200, reply.text
        yield json.loads(reply.data)
        meanwhile(number)
        number += 1
        assert number < 200
        link = reply.headers.get("Link", "")
        found = re.fullmatch(r'<http://127\.0\.0\.1:8080(/api/v1/[^<>]+)>; rel="(next|prev)"', link)
        assert bool(found) == bool(link)
        assert found is None or (found[2] == "next") == ("sort=asc" in path or path.startswith("symbols"))
        url = found[1] if found else ""


def at_once(api: Api, path: str) -> list[Any]:
    """All rows in one answer."""
    reply = api.client.get(f"/api/v1/{path}")
    assert "Link" not in reply.headers
    found: list[Any] = json.loads(reply.data)
    return found


def everything(api: Api, path: str, **more: Any) -> list[Any]:
    """The rows of all pages, ascending."""
    found = list(pages(api, path, **more))
    return [row for page in (found if "sort=asc" in path else reversed(found)) for row in page]


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    "path",
    [
        "candles?symbol=AAA&timeframe=1s",
        "candles?symbol=AAA&timeframe=3s",
        "candles?symbol=AAA&timeframe=1m",
        "candles?symbol=AAA&timeframe=1s&ohlc=any",
        "candles?symbol=AAA&timeframe=1m&session=regular",
        "velocity?symbol=AAA",
        "indicators?symbol=AAA&timeframe=1s&names=sma:5,rsi:14",
        "indicators?symbol=AAA&timeframe=15s&names=ema:9&session=regular",
        "patterns?symbol=AAA&timeframe=1s",
    ],
)
def test_all_pages_together_are_the_whole(api: Api, redis: Redis, path: str, sort: str) -> None:
    write_bars(redis, bars("AAA", range(240)))
    write_bars(redis, [Bar("AAA", T0 + 300_000, None, None, None, None, 5, 5), *bars("AAA", range(301, 310))])
    whole = at_once(api, path)
    assert len(whole) >= 5
    limit = max(1, len(whole) // 4)
    assert everything(api, f"{path}&limit={limit}&sort={sort}") == whole


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize(
    "path", ["candles?timeframe=1s", "velocity?labels=1", "patterns?timeframe=1s&names=CDLDOJI,CDLENGULFING"]
)
def test_each_symbol_of_a_list_goes_on_where_it_ended(api: Api, redis: Redis, path: str, sort: str) -> None:
    write_bars(redis, bars("AAA", range(80)) + bars("BBB", range(0, 80, 7)) + bars("CCC", range(70, 75)))
    path += "&symbol=BBB,AAA,NONE,CCC"

    def place(row: Any) -> tuple[Any, ...]:
        return row["t"], row["symbol"], row.get("pattern")

    whole = at_once(api, path)
    assert len(whole) > 10
    found = everything(api, f"{path}&limit=9&sort={sort}")
    assert sorted(found, key=place) == sorted(whole, key=place)


def test_a_script_gets_each_bar_once_while_bars_arrive(api: Api, redis: Redis) -> None:
    write_bars(redis, bars("AAA", range(50)))

    def arrive(page: int) -> None:
        if page < 20:
            write_bars(redis, bars("AAA", range(50 + page * 6, 56 + page * 6)))

    found = everything(api, "candles?symbol=AAA&timeframe=1s&sort=asc&limit=7&from=2025-10-10", meanwhile=arrive)
    assert [(row["t"] - T0) // 1000 for row in found] == list(range(170))
    before = everything(api, "candles?symbol=AAA&timeframe=1s&limit=7", meanwhile=lambda page: arrive(page + 20))
    assert [(row["t"] - T0) // 1000 for row in before] == list(range(170))


def test_the_first_rows_of_a_range(api: Api, redis: Redis) -> None:
    write_bars(redis, bars("AAA", range(200)))
    for timeframe, step in (("1s", 1), ("10s", 10), ("1m", 60)):
        rows = api.rows("candles", symbol="AAA", timeframe=timeframe, sort="asc", limit=2, from_=T0 + 1)
        assert [(row["t"] - T0) // 1000 for row in rows] == [step, 2 * step]


def test_many_patterns_of_one_candle_are_not_lost(api: Api, redis: Redis) -> None:
    write_bars(redis, bars("AAA", range(90)))
    whole = api.rows("patterns", symbol="AAA", timeframe="1s")
    assert max(sum(row["t"] == t["t"] for row in whole) for t in whole) > 1
    for sort in ("asc", "desc"):
        assert everything(api, f"patterns?symbol=AAA&timeframe=1s&sort={sort}&limit=3") == whole
    assert len(TITLES) > 60


@pytest.mark.parametrize("sort", ["asc", "desc"])
@pytest.mark.parametrize("path", ["alerts", "annotations"])
def test_alerts_of_one_time_are_each_answered_once(api: Api, redis: Redis, path: str, sort: str) -> None:
    loader.ensure(redis)

    def alert(n: int) -> None:
        calls.raise_alert_sync(
            redis, Alert(f"a:{n}", T0 + n // 5, f"S{n}", "velocity", "info", "up", 1.0, f"m{n}", 1.0), 0
        )

    for n in range(23):
        alert(n)
    whole = api.rows(path)
    meanwhile = (lambda page: alert(22 + page)) if sort == "desc" else (lambda page: None)
    assert everything(api, f"{path}?limit=4&sort={sort}", meanwhile=meanwhile) == whole
    assert len(whole) == 23


@pytest.mark.parametrize("sort", ["asc", "desc"])
def test_statistics(api: Api, redis: Redis, sort: str) -> None:
    for n in range(40):
        redis.execute_command("TS.ADD", keys.stat("lag_ms"), T0 + n * 1000, n)
        if n % 3:
            redis.execute_command("TS.ADD", keys.stat("symbols"), T0 + n * 1000, n)
    whole = api.rows("stats/series", names="lag_ms,symbols")
    assert everything(api, f"stats/series?names=lag_ms,symbols&limit=7&sort={sort}") == whole
    assert len(whole) == 40
    means = at_once(api, "stats/series?names=lag_ms&step=3")
    assert everything(api, f"stats/series?names=lag_ms&step=3&limit=4&sort={sort}") == means


@pytest.mark.parametrize("q", ["", "s1"])
def test_symbols(api: Api, redis: Redis, q: str) -> None:
    redis.sadd(keys.SYMBOLS, *(f"{prefix}S{n}" for n in range(25) for prefix in ("", "A")))
    whole = api.rows("symbols", q=q)
    found = [row for page in pages(api, f"symbols?q={q}&limit=4") for row in page]
    assert found == whole
    assert len(whole) > 8


def test_nothing_is_signalled_where_nothing_is_left_out(api: Api, redis: Redis) -> None:
    write_bars(redis, bars("AAA", range(10)))
    for query in ("limit=10", "limit=10&sort=asc", "", "limit=1&from=now"):
        assert "Link" not in api.client.get(f"/api/v1/candles?symbol=AAA&timeframe=1s&{query}").headers


def test_a_timeframe_that_was_chosen_stays_chosen(api: Api, redis: Redis) -> None:
    write_bars(redis, bars("AAA", range(240)))
    query = f"candles?symbol=AAA&timeframe=auto&points=60&from={T0}&to={T0 + 240_000}&limit=10"
    assert everything(api, query) == api.rows("candles", symbol="AAA", timeframe="5s")


@pytest.mark.parametrize("cursor", ["x", "1,2", "-1", "1.x", f"{2**60}"])
def test_a_cursor_of_ones_own_is_refused(api: Api, cursor: str) -> None:
    assert "cursor" in api.refused("candles", symbol="AAA", cursor=cursor)
