"""Candles, indicators and velocity over REST."""

from __future__ import annotations

from datetime import date

import pytest
from redis import Redis

from market.bar import Bar
from market.price import NO_NOTIONAL
from redis_functions.contract import keys
from rest_bridge import charts
from tests.rest_bridge.conftest import Api, MakeApi
from tests.support import write_bars

T0 = 1_760_103_000_000  # Friday 2025-10-10 09:30 in New York


def flat(symbol: str, seconds: range, price: int = 1_000_000, v: float = 100) -> list[Bar]:
    return [Bar(symbol, T0 + s * 1000, price, price, price, price, v, int(price * v)) for s in seconds]


def closes(symbol: str, prices: list[int], step: int = 1) -> list[Bar]:
    return [Bar(symbol, T0 + i * step * 1000, p, p, p, p, 1, p) for i, p in enumerate(prices)]


def test_a_candle_has_real_prices(api: Api, redis: Redis) -> None:
    write_bars(redis, [Bar("BRK.B", T0, 1_894_321, 1_900_000, 1_890_000, 1_895_001, 12.5, 23_679_013)])
    expected = {"t": T0, "o": 189.4321, "h": 190.0, "l": 189.0, "c": 189.5001, "v": 12.5, "vw": 189.432104}
    assert api.rows("candles", symbol="BRK.B", timeframe="1s") == [expected]
    assert api.rows("candles", symbol="BRK.B", timeframe="1d")[0] | {"t": T0} == expected


def test_volume_is_whole_where_it_is_whole(api: Api, redis: Redis) -> None:
    write_bars(redis, flat("AAPL", range(2)))
    assert api.client.get("/api/v1/candles?symbol=AAPL&timeframe=1s").text.count('"v":100,') == 2


@pytest.mark.parametrize(("v", "n"), [(0, 0), (0, NO_NOTIONAL), (100, NO_NOTIONAL), (100, None)])
def test_vw_is_null_where_it_is_not_known(api: Api, redis: Redis, v: float, n: int | None) -> None:
    write_bars(redis, [Bar("AAPL", T0, 1, 1, 1, 1, v, n)])
    for timeframe in ("1s", "30s", "1m", "1d"):
        (row,) = api.rows("candles", symbol="AAPL", timeframe=timeframe)
        assert row["vw"] is None
        assert row["v"] == v


def test_several_symbols_carry_their_name_and_ascend_overall(api: Api, redis: Redis) -> None:
    write_bars(redis, flat("BBB", range(0, 6, 2)) + flat("AAA", range(1, 6)))
    rows = api.rows("candles", symbol="BBB,AAA,NONE", timeframe="1s")
    seen = [((r["t"] - T0) // 1000, r["symbol"]) for r in rows]
    assert seen == [(0, "BBB"), (1, "AAA"), (2, "BBB"), (2, "AAA"), (3, "AAA"), (4, "BBB"), (4, "AAA"), (5, "AAA")]


def test_a_limit_holds_for_each_symbol_and_for_all_together(
    api: Api, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_bars(redis, flat("AAA", range(9)) + flat("BBB", range(9)))
    assert len(api.rows("candles", symbol="AAA,BBB", timeframe="1s", limit=3)) == 6
    monkeypatch.setattr(charts, "MAX_ROWS_TOGETHER", 4)
    rows = api.rows("candles", symbol="AAA,BBB", timeframe="1s")
    assert [((r["t"] - T0) // 1000, r["symbol"]) for r in rows] == [(7, "AAA"), (7, "BBB"), (8, "AAA"), (8, "BBB")]


def test_a_range_is_named_as_people_do(api: Api, redis: Redis) -> None:
    write_bars(redis, flat("AAA", range(3)))
    rows = api.rows("candles", symbol="AAA", timeframe="1s")
    for query in (
        {"from_": "2025-10-10", "to": "2025-10-10"},
        {"from_": "2025-10-10T09:30:00-04:00", "to": "now"},
        {"from_": "2025-10-10T13:30:00Z"},
    ):
        assert api.rows("candles", symbol=" AAA , NONE", timeframe="1S", labels=1, **query) == [
            row | {"symbol": "AAA"} for row in rows
        ]
    assert api.rows("candles", symbol="AAA", timeframe="1s", to="2025-10-09") == []
    assert api.rows("candles", symbol="AAA", timeframe="1s", from_="-1h") == []


def test_one_symbol_twice_is_one_symbol(api: Api, redis: Redis) -> None:
    write_bars(redis, flat("AAA", range(2)))
    assert len(api.rows("candles", symbol="AAA,AAA", timeframe="1s")) == 2


def test_rows_of_one_symbol_carry_it_on_request(api: Api, redis: Redis) -> None:
    write_bars(redis, flat("AAA", range(7)))
    for path, more in (("candles", {"timeframe": "1s"}), ("velocity", {})):
        labelled = api.rows(path, symbol="AAA", labels=1, **more)
        assert [r.pop("symbol") for r in labelled] == ["AAA"] * len(labelled)
        assert labelled == api.rows(path, symbol="AAA", **more) != []


def test_a_symbol_never_seen_has_no_rows(api: Api) -> None:
    for path in (
        "candles?symbol=NONE",
        "velocity?symbol=NONE",
        "indicators?symbol=NONE&names=sma:5",
        "velocity?symbol=A,B",
    ):
        reply = api.client.get(f"/api/v1/{path}")
        assert (reply.status_code, reply.data) == (200, b"[]")


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({}, "symbol is required"),
        ({"symbol": ""}, "symbol is required"),
        ({"symbol": "{AAPL}"}, "is not a symbol"),
        ({"symbol": "A,,B"}, "is not a symbol"),
        ({"symbol": ",".join(f"S{i}" for i in range(51))}, "at most 50"),
        ({"symbol": "A", "timeframe": "7m"}, "does not divide a day"),
        ({"symbol": "A", "timeframe": "1m;FLUSHALL"}, "is not a number and one of"),
        ({"symbol": "A", "limit": "0"}, "between 1 and 5000"),
        ({"symbol": "A", "limit": "5001"}, "between 1 and 5000"),
        ({"symbol": "A", "from": "-1"}, "from:"),
        ({"symbol": "A", "from": str(2**53 + 1)}, "from:"),
        ({"symbol": "A", "from": "10/10/2025"}, "from: '10/10/2025': expected epoch milliseconds"),
        ({"symbol": "A", "from": "1760103000"}, "epoch seconds? In milliseconds that is 1760103000000"),
        ({"symbol": "A", "from": str(T0), "to": str(T0 - 1)}, "from is later than to"),
        ({"symbol": "A", "timeframe": "1M"}, "is ambiguous"),
        ({"symbol": "A", "when": "now"}, "known here: symbol, timeframe, points, from, to, limit, session"),
    ],
)
def test_what_cannot_be_used_is_refused(api: Api, query: dict[str, str], words: str) -> None:
    assert words in api.refused("candles", **query)


def test_a_parameter_given_twice_is_refused(api: Api) -> None:
    reply = api.client.get("/api/v1/candles?symbol=A&limit=1&limit=2")
    assert reply.status_code == 400
    assert "limit is given 2 times" in reply.text


def test_velocity_over_the_window(api: Api, redis: Redis) -> None:
    write_bars(redis, closes("S07", [1_000_000] * 6 + [1_008_000] * 6))
    rows = api.rows("velocity", symbol="S07")
    assert [((r["t"] - T0) // 1000, r["velocity"]) for r in rows] == [
        (5, 0.0), (6, 0.8), (7, 0.8), (8, 0.8), (9, 0.8), (10, 0.8), (11, 0.0),
    ]  # fmt: skip
    assert api.rows("velocity", symbol="S07", from_=T0 + 6000, to=T0 + 7000) == rows[1:3]
    assert api.rows("velocity", symbol="S07", limit=2) == rows[-2:]
    assert api.rows("velocity", symbol="S07,NONE", limit=1) == [{"symbol": "S07", **rows[-1]}]


def test_velocity_in_percent_of_the_previous_days_close(make_api: MakeApi, redis: Redis) -> None:
    redis.hset(keys.previous_close(date(2025, 10, 10)), mapping={"AAPL": "50", "": "none"})
    write_bars(redis, closes("AAPL", [1_000_000] * 6 + [1_010_000]) + closes("MSFT", [1_000_000] * 6 + [1_010_000]))
    rows = make_api().rows("velocity", symbol="AAPL,MSFT", from_=T0 + 6000)
    assert [(r["symbol"], r["velocity"]) for r in rows] == [("AAPL", 2.0), ("MSFT", 1.0)]
    by_start = make_api(velocity_base="window_start").rows("velocity", symbol="AAPL", from_=T0 + 6000)
    assert [r["velocity"] for r in by_start] == [1.0]


def test_the_previous_close_is_that_of_each_bars_own_day(api: Api, redis: Redis) -> None:
    midnight = 1_760_155_200_000  # 2025-10-11 00:00 in New York
    for day, close in ((date(2025, 10, 10), "100"), (date(2025, 10, 11), "200")):
        redis.hset(keys.previous_close(day), "AAPL", close)
    prices = [1_000_000, 1_010_000, 1_030_000]
    times = [midnight - 10_000, midnight - 5_000, midnight]
    write_bars(redis, [Bar("AAPL", t, p, p, p, p, 1, p) for t, p in zip(times, prices, strict=True)])
    assert [r["velocity"] for r in api.rows("velocity", symbol="AAPL")] == [1.0, 1.0]


def test_velocity_knows_no_minute_bars_and_no_stale_reference(api: Api, redis: Redis) -> None:
    bars = closes("AAPL", [1_000_000, 1_010_000], 36)
    bars.append(Bar("AAPL", T0 + 60_001, 2, 2, 2, 2, 1, 2))
    write_bars(redis, bars)
    assert api.rows("velocity", symbol="AAPL") == []


def test_a_session_is_that_of_new_york(api: Api, make_api: MakeApi, redis: Redis) -> None:
    """Half an hour before the open, and half an hour after it."""
    write_bars(redis, flat("AAA", range(-1800, 1800, 10)))
    regular = api.rows("candles", symbol="AAA", timeframe="1h", session="regular")
    assert [(row["t"], row["v"]) for row in regular] == [(T0, 18_000)]
    extended = api.rows("candles", symbol="AAA", timeframe="1h", session="extended")
    assert [(row["t"], row["v"]) for row in extended] == [(T0 - 1_800_000, 18_000)]
    whole = api.rows("candles", symbol="AAA", timeframe="1h")
    assert [(row["t"], row["v"]) for row in whole] == [(T0 - 1_800_000, 36_000)]
    simulated = make_api(always_open=True)
    assert simulated.rows("candles", symbol="AAA", timeframe="1h", session="regular") == whole
    assert simulated.rows("candles", symbol="AAA", timeframe="1h", session="extended") == []


def test_volume_without_a_price_is_shown_on_request(api: Api, redis: Redis) -> None:
    write_bars(redis, [*flat("AAA", range(1)), Bar("AAA", T0 + 1000, None, None, None, None, 7, 7_000_000)])
    nothing = {"o": None, "h": None, "l": None, "c": None}
    rows = api.rows("candles", symbol="AAA", timeframe="1s", ohlc="any")
    assert rows[1] == {"t": T0 + 1000, **nothing, "v": 7, "vw": 100.0}
    assert sum(row["v"] for row in rows) == api.rows("candles", symbol="AAA", timeframe="1m")[0]["v"] == 107
    assert len(api.rows("candles", symbol="AAA", timeframe="1s")) == 1
