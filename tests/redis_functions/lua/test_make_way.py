"""make_way: the bar that fills a minute is deleted where second bars replace it, and never empties an open bucket."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.contract.schema import Schema, create_commands
from redis_functions.lua import loader
from redis_functions.lua.calls import make_way_args
from tests.support import wait_until

M = 60_000
T = 1_760_104_800_000
FIELD = keys.series("F", "1s", "volume")


@pytest.fixture(autouse=True)
def series(redis: Redis) -> Iterator[None]:
    loader.ensure(redis)
    for command in create_commands("F", Schema()):
        redis.execute_command(*command)
    yield
    assert wait_until(redis.ping)


def add(redis: Redis, t: int, value: int = 5) -> None:
    redis.execute_command("TS.MADD", FIELD, t, value)


def held(redis: Redis) -> list[int]:
    return [t for t, _ in redis.execute_command("TS.RANGE", FIELD, "-", "+")]


@pytest.mark.parametrize("second", [T, T + 5_000, T + 59_000])
def test_the_mark_goes_where_its_minute_has_a_second(redis: Redis, second: int) -> None:
    add(redis, T + 1)
    add(redis, second)
    assert redis.execute_command(*make_way_args("F", T)) == 1
    assert held(redis) == [second]
    assert redis.execute_command(*make_way_args("F", T)) == 0


@pytest.mark.parametrize("others", [[], [T - 1_000], [T + M], [T - 1_000, T + M], [T - 3 * M, T - 2 * M, T - M]])
def test_the_mark_stays_where_it_is_alone(redis: Redis, others: list[int]) -> None:
    for t in [*others, T + 1]:
        add(redis, t)
    assert redis.execute_command(*make_way_args("F", T)) == 0
    assert held(redis) == sorted([*others, T + 1])


def test_seconds_without_a_mark_stay(redis: Redis) -> None:
    for t in (T, T + 1_000, T + 2_000):
        add(redis, t)
    assert redis.execute_command(*make_way_args("F", T)) == 0
    assert len(held(redis)) == 3


def test_series_that_are_not_there_or_no_series_are_passed_over(redis: Redis) -> None:
    redis.set(keys.series("ODD", "1s", "open"), "text")
    assert redis.execute_command(*make_way_args("ODD", T)) == 0


def test_bad_arguments_are_refused(redis: Redis) -> None:
    for args in (("x", 1, 1), (1, 1), (1, 1, 0)):
        with pytest.raises(ResponseError, match="BADARG"):
            redis.execute_command("FCALL", "make_way", 1, FIELD, *args)


@pytest.mark.parametrize("seed", range(20))
def test_the_larger_candles_stay_exact_and_the_server_alive(redis: Redis, seed: int) -> None:
    chance = random.Random(seed)
    kept: dict[int, int] = {}
    for _ in range(60):
        minute = T + chance.randint(0, 14) * M
        if chance.random() < 0.6:
            t, value = minute + chance.choice([0, 1, 1, 1_000, 59_000]), chance.randint(1, 99)
            add(redis, t, value)
            kept[t] = value
        else:
            redis.execute_command(*make_way_args("F", minute))
            if any(t in kept for t in (minute, minute + 1_000, minute + 59_000)):
                kept.pop(minute + 1, None)
    assert held(redis) == sorted(kept)
    for timeframe, ms in (("1m", M), ("5m", 5 * M), ("1h", 60 * M)):
        sums: dict[int, float] = {}
        for t, value in kept.items():
            sums[t - t % ms] = sums.get(t - t % ms, 0) + value
        rows = redis.execute_command("TS.RANGE", keys.series("F", timeframe, "volume"), "-", "+", "LATEST")
        assert {int(t): float(v) for t, v in rows} == sums
