"""The strip of a symbol over REST."""

from __future__ import annotations

import json
from datetime import date

from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000  # Friday 2025-10-10 09:30 in New York
DAY_MS = 86_400_000


def bar(symbol: str, t: int, price: int, v: float = 100) -> Bar:
    return Bar(symbol, t, price, price + 10_000, price - 10_000, price, v, int(price * v))


def test_a_quote_is_of_the_day_of_the_last_bar(api: Api, redis: Redis) -> None:
    redis.hset(keys.previous_close(date(2025, 10, 10)), "AAPL", "100")
    write_bars(
        redis,
        [
            bar("AAPL", T0 - DAY_MS, 5_000_000),
            bar("AAPL", T0, 1_000_000, 300),
            bar("AAPL", T0 + 5_000, 1_020_000),
        ],
    )
    assert api.rows("quote", symbol="AAPL") == [
        {
            "symbol": "AAPL", "last": 102.0, "t": T0 + 5_000, "previous_close": 100.0, "change_money": 2.0, "change": 2.0,
            "open": 100.0, "high": 103.0, "low": 99.0, "volume": 400, "vwap": 100.5, "velocity": 2.0, "halted": False,
        }
    ]  # fmt: skip


def test_several_symbols_in_the_order_asked_for_and_none_that_was_never_seen(api: Api, redis: Redis) -> None:
    redis.hset(keys.previous_close(date(2025, 10, 9)), "OLD", "40")
    redis.hset(keys.HALTED, "OLD", T0)
    write_bars(redis, [bar("NEW", T0, 1_000_000), bar("OLD", T0 - DAY_MS, 500_000)])
    rows = api.rows("quote", symbol="OLD,NONE,NEW")
    assert [(r["symbol"], r["t"], r["previous_close"], r["change"], r["halted"]) for r in rows] == [
        ("OLD", T0 - DAY_MS, 40.0, 25.0, True),
        ("NEW", T0, None, None, False),
    ]
    assert api.rows("quote", symbol="NONE") == []


def test_an_old_velocity_is_none_now(api: Api, redis: Redis) -> None:
    write_bars(redis, [bar("AAPL", T0, 1_000_000), bar("AAPL", T0 + 5_000, 1_010_000)])
    for clock, velocity in ((T0 + 10_000, 1.0), (T0 + 10_001, None)):
        redis.set(keys.MOVERS, json.dumps({"t": clock}))
        assert [r["velocity"] for r in api.rows("quote", symbol="AAPL")] == [velocity]


def test_minute_bars_alone_have_a_quote(api: Api, redis: Redis) -> None:
    write_bars(redis, [Bar("AAPL", T0 + 1, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 5, 5_000_000)])
    (row,) = api.rows("quote", symbol="AAPL")
    assert (row["last"], row["t"], row["velocity"]) == (100.0, T0, None)
