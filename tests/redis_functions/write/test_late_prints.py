"""merge_late_print: exact, once, and never to the harm of the larger candles."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from market.bar import Bar
from market.price import NO_NOTIONAL
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.lua import loader
from redis_functions.server.connection import connect_async
from redis_functions.write.late_prints import (
    KNOWN,
    MERGED,
    MISSING,
    REMEMBERED_MS,
    TOO_LATE,
    merge_late_print,
    merge_late_print_args,
)
from tests.support import write_bars

T = 1_760_103_000_000
HOUR_MS = 3_600_000
BAR = Bar("BRK.B", T, 5000_0000, 5010_0000, 4990_0000, 5005_0000, 300, 1_500_000_0000)


def merge(redis: Redis, price: int | None, size: float, notional: int, key: int | str = "p1", t: int = T) -> str:
    words = merge_late_print_args("BRK.B", t, price, size, notional, key)
    return redis.execute_command(*words).decode()


def stored(redis: Redis, t: int = T, timeframe: str = "1s") -> list[str | None]:
    """The six values at `t` as the texts that Redis has."""
    found: list[str | None] = []
    for field in FIELDS:
        rows = redis.execute_command("TS.RANGE", keys.series("BRK.B", timeframe, field), t, t, "LATEST")
        found.append(rows[0][1].decode() if rows else None)
    return found


@pytest.fixture(autouse=True)
def _library(redis: Redis) -> None:
    loader.ensure(redis)


def test_one_slot() -> None:
    words = merge_late_print_args("BRK.B", T, 1, 1, 1, 1, 1)
    assert words[9] == "late:{BRK.B}"
    assert len({key_slot(str(key).encode()) for key in words[3:10]}) == 1


def test_it_moves_high_low_volume_and_notional_only(redis: Redis) -> None:
    write_bars(redis, [BAR])
    assert merge(redis, 5020_0000, 10, 50_200_0000) == MERGED
    assert merge(redis, 4980_0000, 5, 24_900_0000, "p2") == MERGED
    assert merge(redis, 5000_0000, 1, 5_000_0000, "p3") == MERGED
    expected = ["50000000", "50200000", "49800000", "50050000", "316", "15801000000"]
    assert stored(redis) == expected
    minute = T - T % 60_000
    assert stored(redis, minute, "1m") == expected


def test_the_same_print_again_changes_nothing(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [BAR])

    async def run() -> list[str]:
        async with connect_async(redis_url) as client:
            words = merge_late_print_args("BRK.B", T, 5020_0000, 10, 1, 77)
            return [await merge_late_print(client, words) for _ in range(2)]

    assert asyncio.run(run()) == [MERGED, KNOWN]
    before = stored(redis)
    assert merge(redis, 5030_0000, 10, 1, "77") == KNOWN
    assert stored(redis) == before
    assert 0 < redis.pttl(keys.late("BRK.B")) <= REMEMBERED_MS


def test_a_price_that_may_not_move_anything_still_has_volume(redis: Redis) -> None:
    write_bars(redis, [BAR])
    assert merge(redis, None, 100, 7) == MERGED
    assert stored(redis) == ["50000000", "50100000", "49900000", "50050000", "400", "15000000007"]


def test_a_price_without_volume(redis: Redis) -> None:
    write_bars(redis, [BAR])
    assert merge(redis, 1, 0, 0) == MERGED
    assert stored(redis) == ["50000000", "50100000", "1", "50050000", "300", "15000000000"]


def test_a_second_that_had_nothing(redis: Redis) -> None:
    write_bars(redis, [BAR])
    assert merge(redis, 5020_0000, 10, 50_200_0000, t=T - 5000) == MERGED
    assert stored(redis, T - 5000) == [None, "50200000", "50200000", None, "10", "502000000"]


@pytest.mark.parametrize(("volume", "notional", "expected"), [
    (300, NO_NOTIONAL, [None, None, None, None, "310", f"{NO_NOTIONAL:.0E}".replace("+", "")]),
    (300, None, [None, None, None, None, "310", None]),
    (0, None, [None, None, None, None, "10", "50"]),
    (0, 0, [None, None, None, None, "10", "50"]),
])  # fmt: skip
def test_an_unknown_notional_stays_unknown(
    redis: Redis, volume: int, notional: int | None, expected: list[str | None]
) -> None:
    write_bars(redis, [Bar("BRK.B", T, None, None, None, None, volume, notional)])
    assert merge(redis, None, 10, 50) == MERGED
    assert stored(redis) == expected


def test_sums_up_to_the_largest_exact_number(redis: Redis) -> None:
    largest = 2**53 - 1
    write_bars(redis, [BAR._replace(v=largest - 1, n=largest - 3)])
    assert merge(redis, None, 1, 3) == MERGED
    assert [Decimal(text or 0) for text in stored(redis)[4:]] == [largest, largest]


def test_nothing_is_created(redis: Redis) -> None:
    assert merge(redis, 1, 1, 1) == MISSING
    assert redis.keys() == []
    write_bars(redis, [BAR])
    before = stored(redis)[:5]
    redis.delete(keys.series("BRK.B", "1s", "notional"))
    assert merge(redis, 1, 1, 1) == MISSING
    redis.execute_command("TS.CREATE", keys.series("BRK.B", "1s", "notional"))
    assert stored(redis)[:5] == before
    assert not redis.exists(keys.late("BRK.B"))


@pytest.mark.parametrize(("offset", "outcome"), [(0, MERGED), (-1000, TOO_LATE)])
def test_never_where_the_larger_candles_would_be_harmed(redis: Redis, offset: int, outcome: str) -> None:
    """Below the newest second less (1s retention - largest bucket), an hour would be summed of what is left of it."""
    hours = [T - T % HOUR_MS + minute * 60_000 for minute in range(121)]
    write_bars(redis, [BAR._replace(t=t) for t in hours])
    t = hours[-1] - Schema().lateness_ms + offset
    hour = t - t % HOUR_MS
    before = stored(redis, hour, "1h")
    assert merge(redis, None, 1, 1, t=t) == outcome
    after = stored(redis, hour, "1h")
    assert Decimal(after[4] or 0) - Decimal(before[4] or 0) == (outcome == MERGED)


def test_prints_are_forgotten_in_time(redis: Redis) -> None:
    write_bars(redis, [BAR])
    redis.zadd(keys.late("BRK.B"), {"long ago": 1000})
    assert merge(redis, None, 1, 1) == MERGED
    assert redis.zrange(keys.late("BRK.B"), 0, -1) == [b"p1"]


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (0, "-1"), (0, "x"), (1, "1.5"), (1, "-1"), (2, "-1"), (2, "nan"), (2, ""), (3, "-1"), (3, "1.5"), (4, ""),
        (5, "soon"), (6, "0"),
    ],
)  # fmt: skip
def test_bad_arguments_change_nothing(redis: Redis, position: int, text: str) -> None:
    write_bars(redis, [BAR])
    words = list(merge_late_print_args("BRK.B", T, 1, 1, 1, "p", 1))
    words[10 + position] = text
    with pytest.raises(ResponseError, match="BADARG"):
        redis.execute_command(*words)
    assert not redis.exists(keys.late("BRK.B"))


def test_another_type_in_the_way(redis: Redis) -> None:
    write_bars(redis, [BAR])
    redis.delete(keys.series("BRK.B", "1s", "low"))
    redis.set(keys.series("BRK.B", "1s", "low"), "in the way")
    with pytest.raises(ResponseError):
        merge(redis, 1, 1, 1)
    assert not redis.exists(keys.late("BRK.B"))


prints = st.lists(
    st.tuples(
        st.one_of(st.none(), st.integers(1, 10**9)),
        st.one_of(st.integers(0, 10**9), st.integers(0, 10**12).map(lambda n: n / 10**6)),
        st.integers(0, 10**13),
        st.integers(0, 5),
    ),
    max_size=8,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(prints)
def test_against_exact_arithmetic(redis: Redis, prints: list[tuple[int | None, float, int, int]]) -> None:
    redis.flushall()
    write_bars(redis, [BAR])
    high, low, volume, notional = BAR.h, BAR.l, Decimal(str(BAR.v)), BAR.n
    seen: set[int] = set()
    for price, size, worth, key in prints:
        assert merge(redis, price, size, worth, key) == (KNOWN if key in seen else MERGED)
        if key not in seen:
            seen.add(key)
            high, low = max(high or 0, price or 0), min(low or 0, price or low or 0)
            volume, notional = volume + Decimal(repr(size)), (notional or 0) + worth
    _, *texts = stored(redis)
    exact = [Decimal(text or "nan") for text in texts]
    assert exact[:2] == [high, low]
    assert round(exact[3], 6) == round(volume, 6)
    assert exact[4] == notional
