"""Two indicators against each other over REST."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
from redis import Redis

from market.bar import Bar
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000
CANDLES = 120
ASKED: dict[str, Any] = {"symbol": "A", "first": "ema:5", "second": "sma:12", "timeframe": "1m"}


@pytest.fixture
def wave(redis: Redis) -> None:
    prices = [1_000_000 + round(50_000 * math.sin(n / 7)) for n in range(CANDLES)]
    write_bars(redis, [Bar("A", T0 + n * 60_000, p, p, p, p, 1, p) for n, p in enumerate(prices)])


@pytest.mark.usefixtures("wave")
def test_the_difference_is_that_of_the_indicators(api: Api) -> None:
    rows = api.rows("difference", **ASKED)
    lines = api.rows("indicators", symbol="A", names="ema:5,sma:12", timeframe="1m")
    assert [(r["t"], r["first"], r["second"]) for r in rows] == [(r["t"], r["ema_5"], r["sma_12"]) for r in lines]
    assert all(r["difference"] is None for r in rows[:11])
    assert all(abs(r["difference"] - (r["first"] - r["second"])) < 1e-9 for r in rows[11:])


@pytest.mark.usefixtures("wave")
def test_crossings_are_where_the_difference_changes_its_sign_whatever_the_range(api: Api) -> None:
    rows = api.rows("difference", **ASKED)
    expected = [
        {
            "t": row["t"],
            "direction": "up" if row["difference"] > 0 else "down",
            "title": f"EMA 5 {'rises above' if row['difference'] > 0 else 'falls below'} SMA 12",
        }
        for before, row in pairwise(rows[11:])
        if before["difference"] * row["difference"] < 0
    ]
    assert len(expected) > 3
    assert api.rows("crossings", **ASKED) == expected
    last = expected[-1]
    assert api.rows("crossings", **ASKED, from_=last["t"], to=last["t"]) == [last]


@pytest.mark.usefixtures("wave")
def test_a_hole_breaks_the_line_and_an_unknown_symbol_has_none(api: Api, redis: Redis) -> None:
    later = T0 + (CANDLES + 10) * 60_000
    write_bars(redis, [Bar("A", later, 10_000, 10_000, 10_000, 10_000, 1, 10_000)])
    rows = api.rows("difference", **ASKED, breaks=1)
    assert rows[-2] == {"t": T0 + CANDLES * 60_000, "first": None, "second": None, "difference": None}
    assert (
        api.rows("difference", **ASKED | {"symbol": "ZZZ"}) == api.rows("crossings", **ASKED | {"symbol": "ZZZ"}) == []
    )


@pytest.mark.parametrize("line", ["macd", "rsi", "sma:5,ema:5", "nothing"])
def test_only_single_lines_in_money_can_be_compared(api: Api, line: str) -> None:
    assert api.refused("difference", **ASKED | {"first": line}).startswith("first: ")
