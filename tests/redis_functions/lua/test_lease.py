"""lease_*: one owner at a time, tokens that only grow, and a lease that returns to an owner that was cut off."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.lua import loader

LEASE, TOKEN, RELEASED = keys.lease("stocks"), keys.lease_token("stocks"), keys.lease_released("stocks")


@pytest.fixture(autouse=True)
def _library(redis: Redis) -> None:
    loader.ensure(redis)


def acquire(redis: Redis, owner: str, vanished: str = "leave", seen: int = 0, ttl_ms: int = 60_000) -> tuple[int, str]:
    """(token or 0, who has it)."""
    reply = redis.execute_command(
        "FCALL", "lease_acquire", 3, LEASE, TOKEN, RELEASED, owner, ttl_ms, vanished, seen
    )  # fmt: skip
    return reply[0], reply[1].decode()


def renew(redis: Redis, owner: str, token: int, ttl_ms: int = 60_000) -> int:
    return int(redis.execute_command("FCALL", "lease_renew", 2, LEASE, TOKEN, owner, token, ttl_ms))


def release(redis: Redis, owner: str, token: int) -> int:
    return int(redis.execute_command("FCALL", "lease_release", 3, LEASE, TOKEN, RELEASED, owner, token))


def test_names_and_slot() -> None:
    assert (LEASE, TOKEN) == ("lease:{stocks}", "lease:{stocks}:token")
    assert len({key_slot(key.encode()) for key in (LEASE, TOKEN, RELEASED)}) == 1


def test_the_first_takes_it_at_once(redis: Redis) -> None:
    before = time.time_ns() // 1_000_000 - 1
    token, owner = acquire(redis, 'a "quoted" name', ttl_ms=5000)
    assert token > 0
    held = json.loads(redis.get(LEASE))
    assert held == {"owner": owner, "token": token, "since": held["since"]}
    assert owner == 'a "quoted" name'
    assert before <= held["since"] <= time.time_ns() // 1_000_000
    assert 0 < redis.pttl(LEASE) <= 5000
    assert int(redis.get(TOKEN)) == token


def test_while_it_is_held_nobody_else_gets_it(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    assert acquire(redis, "b") == (0, "a")
    assert acquire(redis, "b", "take") == (0, "a")
    assert renew(redis, "b", token) == 0
    assert release(redis, "b", token) == 0
    assert renew(redis, "a", token) == 1


def test_renewing_extends_it_and_changes_nothing_else(redis: Redis) -> None:
    token, _ = acquire(redis, "a", ttl_ms=1000)
    before = redis.get(LEASE)
    assert renew(redis, "a", token, 30_000) == 1
    assert redis.get(LEASE) == before
    assert redis.pttl(LEASE) > 20_000


def test_a_vanished_lease_is_left_and_comes_back(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    redis.delete(LEASE)
    assert acquire(redis, "b") == (0, "")
    assert renew(redis, "a", token) == 1
    assert json.loads(redis.get(LEASE))["token"] == token
    assert acquire(redis, "b", "take") == (0, "a")


def test_a_vanished_lease_that_was_taken_is_lost(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    redis.delete(LEASE)
    later, _ = acquire(redis, "b", "take")
    assert later > token
    assert renew(redis, "a", token) == 0
    assert release(redis, "a", token) == 0
    redis.delete(LEASE)
    assert renew(redis, "a", token) == 0
    assert renew(redis, "b", later) == 1


def test_a_released_lease_is_free_for_whoever_comes_first(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    assert release(redis, "a", token) == 1
    assert not redis.exists(LEASE)
    later, owner = acquire(redis, "b")
    assert later > token
    assert owner == "b"
    assert acquire(redis, "c") == (0, "b")
    assert renew(redis, "a", token) == 0
    # It was given out again: that it vanishes now is no release.
    redis.delete(LEASE)
    assert acquire(redis, "c") == (0, "")


def test_an_owner_that_asks_again_fences_its_former_life(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    later, _ = acquire(redis, "a")
    assert later > token
    assert renew(redis, "a", token) == 0
    assert renew(redis, "a", later) == 1


def test_redis_emptied(redis: Redis) -> None:
    """Its owner gets it back with its token; a process that saw an owner does not take it; tokens keep growing."""
    token, _ = acquire(redis, "a")
    redis.delete(LEASE, TOKEN)
    assert acquire(redis, "b", seen=token) == (0, "")
    assert renew(redis, "a", token) == 1
    assert int(redis.get(TOKEN)) == token
    redis.delete(LEASE, TOKEN)
    later, _ = acquire(redis, "b", "take", seen=token)
    assert later > token
    assert renew(redis, "a", token) == 0


def test_a_count_begun_anew_does_not_let_a_former_holder_back(redis: Redis) -> None:
    redis.set(TOKEN, 9_000_000_000_000_000)
    token, _ = acquire(redis, "a", "take")
    redis.delete(LEASE, TOKEN)
    later, _ = acquire(redis, "b")
    assert later < token
    assert renew(redis, "a", token) == 0
    assert renew(redis, "b", later) == 1


def test_in_a_full_redis_it_is_renewed_all_the_same(redis: Redis) -> None:
    token, _ = acquire(redis, "a")
    redis.config_set("maxmemory", 1)
    try:
        assert renew(redis, "a", token) == 1
        assert release(redis, "a", token) == 1
        assert acquire(redis, "b")[0] > token
    finally:
        redis.config_set("maxmemory", 0)


@pytest.mark.parametrize(
    ("function", "names", "words"),
    [
        ("lease_acquire", 3, ("", 5000, "leave", 0)),
        ("lease_acquire", 3, ("a", 0, "leave", 0)),
        ("lease_acquire", 3, ("a", 5000, "maybe", 0)),
        ("lease_acquire", 3, ("a", 5000, "leave", -1)),
        ("lease_acquire", 3, ("a", 5000, "leave")),
        ("lease_acquire", 2, ("a", 5000, "leave", 0)),
        ("lease_renew", 2, ("a", 0, 5000)),
        ("lease_renew", 2, ("a", "x", 5000)),
        ("lease_renew", 2, ("a", 1, "soon")),
        ("lease_release", 3, ("a", "1.5")),
        ("lease_release", 3, ("a",)),
    ],
)
def test_bad_arguments_change_nothing(redis: Redis, function: str, names: int, words: tuple[str | int, ...]) -> None:
    with pytest.raises(ResponseError, match="BADARG"):
        redis.execute_command("FCALL", function, names, *(LEASE, TOKEN, RELEASED)[:names], *words)
    assert redis.keys() == []


@pytest.mark.parametrize(("key", "error"), [(LEASE, "BADDATA"), (TOKEN, "BADDATA")])
def test_something_else_in_the_key(redis: Redis, key: str, error: str) -> None:
    redis.set(key, "something else")
    with pytest.raises(ResponseError, match=error):
        acquire(redis, "a")
    with pytest.raises(ResponseError, match=error):
        renew(redis, "a", 7)


steps = st.lists(
    st.tuples(st.sampled_from(["acquire", "take", "renew", "release", "expire", "empty"]), st.sampled_from("abc")),
    max_size=40,
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps)
def test_whatever_happens_there_is_one_holder(redis: Redis, history: list[tuple[str, str]]) -> None:
    """Several processes renew: at most one of them succeeds; new tokens grow.

    An emptied Redis remembers no token: the first process that renews has the lease, even a former owner.
    """
    redis.delete(LEASE, TOKEN, RELEASED)
    tokens: dict[str, int] = {}
    highest = remembered = 0
    for step, owner in history:
        if step in ("acquire", "take"):
            holding = json.loads(redis.get(LEASE) or "{}").get("owner")
            token, _ = acquire(redis, owner, "take" if step == "take" else "leave", highest)
            if token:
                assert holding in (None, owner)
                assert token > highest
                tokens[owner] = highest = remembered = token
        elif step == "renew" and owner in tokens:
            if renew(redis, owner, tokens[owner]):
                assert tokens[owner] >= remembered
                remembered = tokens[owner]
        elif step == "release" and owner in tokens:
            release(redis, owner, tokens.pop(owner))
        elif step == "expire":
            redis.delete(LEASE)
        elif step == "empty":
            redis.delete(LEASE, TOKEN, RELEASED)
            remembered = 0
    assert sum(renew(redis, owner, token) for owner, token in tokens.items()) <= 1
