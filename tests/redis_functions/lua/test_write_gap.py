"""write_gap: each record of a gap once, in the order of its states, by the owner of the lease only."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.lua import loader
from redis_functions.read.gaps import read_gaps
from redis_functions.server.connection import connect_async
from redis_functions.write import checkpoint
from redis_functions.write.checkpoint import FENCED, KNOWN, WRITTEN

FEED = "stocks"
GAPS, REMEMBERED = keys.gaps(FEED), keys.gaps_known(FEED)
TOKEN = 5
T = 1_760_103_000_000


def a_record(state: str = "open", to: str = "", gap: str = "g1", **rest: str) -> dict[str, str]:
    return {"gap": gap, "symbols": "*", "from": str(T), "to": to, "reason": "closed", "state": state} | rest


def write(redis: Redis, record: dict[str, str], token: int = TOKEN) -> str:
    return redis.execute_command(*checkpoint.write_gap_args(FEED, token, record)).decode()


def states(redis: Redis) -> list[tuple[str, str, str]]:
    return [(e[b"gap"].decode(), e[b"state"].decode(), e[b"to"].decode()) for _, e in redis.xrange(GAPS)]


@pytest.fixture(autouse=True)
def _library(redis: Redis) -> None:
    loader.ensure(redis)


def test_one_slot() -> None:
    words = checkpoint.write_gap_args(FEED, TOKEN, a_record())
    assert len({key_slot(str(key).encode()) for key in words[3:7]}) == 1
    assert set(words[3:5]) == {GAPS, REMEMBERED} == {"gaps:{stocks}", "gaps:{stocks}:known"}


def test_the_typed_caller_and_every_field(redis: Redis, redis_url: str) -> None:
    record = a_record("repaired", str(T + 5), symbols="A,BRK.B", spikes='[{"t":1,"symbol":"é"}]', repaired_bars="12")

    async def run() -> list[str]:
        async with connect_async(redis_url) as client:
            redis.function_flush()
            return [await checkpoint.write_gap(client, FEED, TOKEN, record) for _ in range(2)]

    assert asyncio.run(run()) == [WRITTEN, KNOWN]
    [(_, entry)] = redis.xrange(GAPS)
    assert {name.decode(): value.decode() for name, value in entry.items()} == record
    [gap] = read_gaps(redis, FEED)
    assert (gap.symbols, gap.start, gap.end, gap.state) == (("A", "BRK.B"), T, T + 5, "repaired")


def test_the_life_of_a_gap_told_again(redis: Redis) -> None:
    end = str(T + 9000)
    life = [a_record(), a_record(to=end), a_record("unrepairable", end), a_record("repaired", end)]
    assert [write(redis, record) for record in life] == [WRITTEN] * 4
    # After a crash all records come again: nothing is appended, and the gap does not reopen.
    assert [write(redis, record) for record in life] == [KNOWN] * 4
    assert [state for _, state, _ in states(redis)] == ["open", "open", "unrepairable", "repaired"]


def test_another_end_is_news(redis: Redis) -> None:
    ends = ["", str(T + 1), str(T + 2), str(T + 2), str(T + 1), ""]
    assert [write(redis, a_record(to=to)) for to in ends] == [WRITTEN, WRITTEN, WRITTEN, KNOWN, WRITTEN, KNOWN]


def test_gaps_are_told_apart(redis: Redis) -> None:
    assert [write(redis, a_record(gap=gap)) for gap in ("a", "b", "a")] == [WRITTEN, WRITTEN, KNOWN]


def test_an_earlier_holder_is_fenced(redis: Redis) -> None:
    redis.set(keys.lease_token(FEED), TOKEN)
    assert write(redis, a_record()) == WRITTEN
    redis.set(keys.lease_token(FEED), TOKEN + 1)
    assert write(redis, a_record(to=str(T))) == FENCED
    assert write(redis, a_record(to=str(T)), TOKEN + 1) == WRITTEN
    assert len(states(redis)) == 2


def test_what_is_known_is_learnt_from_the_log(redis: Redis) -> None:
    """A log that an earlier version wrote, or a hash that was lost."""
    redis.xadd(GAPS, a_record("repaired", str(T)))  # type: ignore[arg-type]
    redis.xadd(GAPS, a_record(gap="g2"))  # type: ignore[arg-type]
    assert write(redis, a_record(to=str(T))) == KNOWN
    assert write(redis, a_record(gap="g2")) == KNOWN
    assert write(redis, a_record(gap="g2", to=str(T))) == WRITTEN


def test_what_is_remembered_is_bounded(redis: Redis) -> None:
    def remember(number: int) -> str:
        words: list[Any] = list(checkpoint.write_gap_args(FEED, TOKEN, a_record(gap=f"g{number}")))
        words[3 + 4 + 2] = 10
        return redis.execute_command(*words).decode()

    assert [remember(number) for number in range(100)] == [WRITTEN] * 100
    assert redis.hlen(REMEMBERED) <= 10
    assert [remember(number) for number in range(96, 100)] == [KNOWN] * 4


@pytest.mark.parametrize(
    "record",
    [
        a_record("closed"),
        a_record(""),
        a_record(gap=""),
        a_record(to="soon"),
        a_record(to="-1"),
        {"gap": "g", "state": "open", "symbols": "*"},
        {name: value for name, value in a_record().items() if name != "gap"},
        {f"name{n}": "x" for n in range(40)} | a_record(),
        {},
    ],
)
def test_bad_records_change_nothing(redis: Redis, record: dict[str, str]) -> None:
    with pytest.raises(ResponseError, match="BADARG"):
        write(redis, record)
    assert redis.keys() == []


@pytest.mark.parametrize("token", [0, -1])
def test_without_a_lease_nothing_is_written(redis: Redis, token: int) -> None:
    with pytest.raises(ResponseError, match="BADARG token"):
        write(redis, a_record(), token)


def test_a_value_without_its_name(redis: Redis) -> None:
    with pytest.raises(ResponseError, match="pairs"):
        redis.execute_command(*checkpoint.write_gap_args(FEED, TOKEN, a_record()), "lonely")
    assert redis.keys() == []


records = st.lists(
    st.builds(
        a_record,
        state=st.sampled_from(["open", "unrepairable", "repaired"]),
        to=st.sampled_from(["", str(T), str(T + 1)]),
        gap=st.sampled_from(["a", "b"]),
    ),
    max_size=20,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(records)
def test_a_gap_never_goes_back(redis: Redis, records: list[dict[str, str]]) -> None:
    redis.delete(GAPS, REMEMBERED)
    for record in records:
        write(redis, record)
    stages = {"open": 0, "unrepairable": 2, "repaired": 3}
    log = states(redis)
    for gap in ("a", "b"):
        course = [(stages[state] or int(bool(to)), to) for name, state, to in log if name == gap]
        assert [stage for stage, _ in course] == sorted(stage for stage, _ in course)
        assert all(one != next_one for one, next_one in pairwise(course))
        furthest = max((stages[r["state"]] or int(bool(r["to"])) for r in records if r["gap"] == gap), default=None)
        assert (course[-1][0] if course else None) == furthest
