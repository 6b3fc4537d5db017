"""last_bar, candles, movers_top: what people see at redis-cli, with real prices, in one call."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from market.bar import Bar
from market.price import NO_NOTIONAL, SCALE, vwap
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, MINUTE_MARK_MS
from redis_functions.lua import calls, loader
from tests.support import write_bars

T = 1_760_103_000_000


@pytest.fixture(autouse=True)
def _library(redis: Redis) -> None:
    loader.ensure(redis)


def a_bar(second: int, c: int | None = 1_894_321, v: float = 100, n: int | None = 189_432_100) -> Bar:
    return Bar("AAPL", T + second * 1000, 1_890_000, 1_900_000, 1_880_001, c, v, n)


def test_last_bar(redis: Redis) -> None:
    bar = {
        "sym": "BRK.A",
        "t": T,
        "o": 750000.0001,
        "h": 750001,
        "l": 0.0001,
        "c": 189.5,
        "v": 1234567890.5,
        "vw": None,
    }
    redis.set(keys.latest("BRK.A"), json.dumps(bar))
    assert calls.last_bar(redis, "BRK.A") == {
        "sym": "BRK.A", "t": str(T), "o": "750000.0001", "h": "750001", "l": "0.0001", "c": "189.5",
        "v": "1234567890.5", "vw": "",
    }  # fmt: skip


def test_last_bar_of_an_unknown_symbol_is_empty(redis: Redis) -> None:
    assert calls.last_bar(redis, "NONE") == {}


@pytest.mark.parametrize("text", ["", "not json", "3", '"text"', "[1,"])
def test_last_bar_that_is_none(redis: Redis, text: str) -> None:
    redis.set(keys.latest("AAPL"), text)
    with pytest.raises(ResponseError, match=r"BADDATA latest:\{AAPL\} does not hold"):
        calls.last_bar(redis, "AAPL")


def test_candles_have_real_prices(redis: Redis) -> None:
    write_bars(redis, [a_bar(0), a_bar(1, v=0.5, n=947_160)])
    assert calls.candles(redis, "AAPL", "1s") == [
        [str(T), "189", "190", "188.0001", "189.4321", "100", "189.4321"],
        [str(T + 1000), "189", "190", "188.0001", "189.4321", "0.5", "189.432"],
    ]


def test_the_running_candle_is_included(redis: Redis) -> None:
    write_bars(redis, [a_bar(0), a_bar(61, c=1_895_000, v=7)])
    assert [row[:1] + row[4:6] for row in calls.candles(redis, "AAPL", "1m")] == [
        [str(T), "189.4321", "100"],
        [str(T + 60_000), "189.5", "7"],
    ]


def test_incomplete_candles_and_minute_marks_are_left_out(redis: Redis) -> None:
    marked = a_bar(60)._replace(t=T + 60_000 + MINUTE_MARK_MS)
    volume_only = Bar("AAPL", T + 2000, None, None, None, None, 5.0, 100)
    write_bars(redis, [a_bar(0), a_bar(1)._replace(o=None), volume_only, a_bar(3)._replace(v=None), marked])
    rows = calls.candles(redis, "AAPL", "1s")
    assert [(row[0], row[5]) for row in rows] == [(str(T), "100"), (str(T + 3000), "")]
    assert [row[5] for row in calls.candles(redis, "AAPL", "1m")] == ["205", "100"]


def test_no_vwap_without_volume_or_notional(redis: Redis) -> None:
    write_bars(
        redis, [a_bar(0, v=0, n=0), a_bar(1, n=NO_NOTIONAL), a_bar(2, n=None), a_bar(60), a_bar(61, n=NO_NOTIONAL)]
    )
    assert [row[6] for row in calls.candles(redis, "AAPL", "1s")] == ["", "", "", "189.4321", ""]
    assert [row[6] for row in calls.candles(redis, "AAPL", "1m")] == ["", ""]


def test_range_and_count(redis: Redis) -> None:
    write_bars(redis, [a_bar(second) for second in range(10)])

    def seconds(*args: int | None, count: int = 100) -> list[int]:
        return [(int(row[0]) - T) // 1000 for row in calls.candles(redis, "AAPL", "1s", *args, count=count)]

    assert seconds(count=3) == [7, 8, 9]
    assert seconds(T + 2000, T + 4000) == [2, 3, 4]
    assert seconds(None, T + 4000, count=2) == [3, 4]
    assert seconds(T + 8500, None) == [9]
    assert seconds(T + 20_000, None) == []
    assert seconds(T + 4000, T + 2000) == []


@pytest.mark.parametrize(
    ("start", "end", "count"), [("-", "+", 0), ("-", "+", 1001), ("x", "+", 1), ("-", "now", 1), ("1.5", "+", 1)]
)
def test_bad_arguments_of_candles(redis: Redis, start: str, end: str, count: int) -> None:
    write_bars(redis, [a_bar(0)])
    words = list(calls.candles_args("AAPL", "1s", None, None, count))
    words[-3:-1] = [start, end]
    with pytest.raises(ResponseError, match="BADARG"):
        redis.execute_command(*words)


def test_candles_of_an_unknown_symbol(redis: Redis) -> None:
    with pytest.raises(ResponseError, match="does not exist"):
        calls.candles(redis, "NONE", "1m")


ticks = st.integers(1, 7_500_000_000)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(ticks, st.floats(0, 1e9), st.integers(-1, 10**15))
def test_texts_are_the_numbers(redis: Redis, price: int, volume: float, notional: int) -> None:
    redis.delete(*(keys.series("X", tf, f) for tf in ("1s", "1m", "5m", "1h") for f in FIELDS))
    volume = round(volume, 4)
    write_bars(redis, [Bar("X", T, price, price, price, price, volume, notional)])
    [[t, o, h, low, c, v, vw]] = calls.candles(redis, "X", "1s")
    expected = vwap(notional, volume)
    assert (int(t), {o, h, low, c}) == (T, {o})
    assert float(o) == price / SCALE
    assert float(v) == volume
    assert (float(vw) if vw else None) == (pytest.approx(expected, rel=1e-14) if expected is not None else None)


ROWS = [
    {"symbol": f"S{k:02d}", "last": 100.5 + k, "velocity": None, "change": 5.0 - k, "volume": 10 * k, "t": T}
    for k in range(5)
]
SNAPSHOT = {
    "t": T,
    "velocity": [],
    "velocity_down": [],
    "change": ROWS,
    "change_down": ROWS[::-1],
    "volume": ROWS[::-1],
}


def test_movers(redis: Redis) -> None:
    assert calls.movers_top(redis, "change") == []
    redis.set(keys.MOVERS, json.dumps(SNAPSHOT))
    assert calls.movers_top(redis, "change", 2) == [
        ["S00", "100.5", "", "5", "0", str(T)],
        ["S01", "101.5", "", "4", "10", str(T)],
    ]
    assert [row[0] for row in calls.movers_top(redis, "change_down", 1000)] == ["S04", "S03", "S02", "S01", "S00"]
    assert calls.movers_top(redis, "velocity") == []


@pytest.mark.parametrize(("by", "n"), [("price", 1), ("t", 1), ("", 1), ("change", 0), ("change", 1001)])
def test_bad_arguments_of_movers(redis: Redis, by: str, n: int) -> None:
    redis.set(keys.MOVERS, json.dumps(SNAPSHOT))
    with pytest.raises(ResponseError, match="BADARG"):
        calls.movers_top(redis, by, n)


def test_movers_that_are_none(redis: Redis) -> None:
    redis.set(keys.MOVERS, "soon")
    with pytest.raises(ResponseError, match="BADDATA movers does not hold"):
        calls.movers_top(redis, "change")


@pytest.mark.parametrize("function", ["last_bar", "candles", "movers_top"])
def test_usage_is_told(redis: Redis, function: str) -> None:
    for words in ((0,), (1, "k", "a", "b", "c", "d")):
        with pytest.raises(ResponseError, match=f"BADARG usage: {function} "):
            redis.execute_command("FCALL_RO", function, *words)
