"""raise_alert: once per event, cooldown in event time, valid JSON whatever the message holds."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.lua import calls, loader
from redis_functions.lua.calls import COOLDOWN, DUPLICATE, RAISED, raise_alert_args

T = 1_760_103_000_000
REMEMBERED = 64


def an_alert(
    t: int = T, symbol: str = "S07", direction: str | None = "up", rule: str = "velocity", **rest: Any
) -> Alert:
    facts = {"severity": "warning", "magnitude": 0.8, "message": "up", "price": 100.8} | rest
    return Alert(alert_id(rule, symbol, t, direction), t, symbol, rule, direction=direction, **facts)


def fire(redis: Redis, alert: Alert, cooldown_ms: int = 300_000) -> str:
    return redis.execute_command(*raise_alert_args(alert, cooldown_ms)).decode()


@pytest.fixture(autouse=True)
def _library(redis: Redis) -> None:
    loader.ensure(redis)


def test_stream_entry_has_every_field_as_text(redis: Redis) -> None:
    assert fire(redis, an_alert(direction=None, rule="halt", magnitude=-0.00001, price=750_000.0)) == RAISED
    [(_, entry)] = redis.xrange(keys.ALERTS)
    assert {name.decode(): value.decode() for name, value in entry.items()} == {
        "id": f"halt:S07:{T}:", "t": str(T), "symbol": "S07", "rule": "halt", "severity": "warning", "direction": "",
        "magnitude": "-1e-05", "message": "up", "price": "750000.0",
    }  # fmt: skip


@pytest.mark.parametrize(
    "message", ['he said "sell"', "a\\b/c", "tab\tline\r\nnul\0bell\x07del\x7f", "é€𝄞\u2028", "]]{}%s %d", ""]
)
def test_published_json_is_exact(redis: Redis, message: str) -> None:
    listener = redis.pubsub()
    listener.subscribe(keys.CHANNEL_ALERTS)
    assert listener.get_message(timeout=5)
    alert = an_alert(t=9_007_199_254_740_991, message=message, magnitude=-0.1 - 0.2, price=1e-07, direction=None)
    assert fire(redis, alert) == RAISED
    published = listener.get_message(timeout=5)
    listener.close()
    assert published is not None
    parsed = json.loads(published["data"])
    assert parsed == {
        "id": alert.id, "t": alert.t, "symbol": "S07", "rule": "velocity", "severity": "warning", "direction": None,
        "magnitude": alert.magnitude, "message": message, "price": 1e-07,
    }  # fmt: skip
    assert isinstance(parsed["t"], int)
    assert isinstance(parsed["magnitude"], float)
    assert redis.xrange(keys.ALERTS)[0][1][b"message"].decode() == message


def test_same_event_is_a_duplicate_even_without_cooldown(redis: Redis) -> None:
    assert [fire(redis, an_alert(), 0) for _ in range(3)] == [RAISED, DUPLICATE, DUPLICATE]
    assert redis.xlen(keys.ALERTS) == 1


@pytest.mark.parametrize(
    ("offset", "outcome"), [(1, COOLDOWN), (299_999, COOLDOWN), (300_000, RAISED), (10**12, RAISED)]
)
@pytest.mark.parametrize("sign", [1, -1])
def test_cooldown_is_a_distance_both_ways(redis: Redis, offset: int, outcome: str, sign: int) -> None:
    assert fire(redis, an_alert()) == RAISED
    assert fire(redis, an_alert(T + sign * offset)) == outcome


def test_cooldown_is_per_rule_symbol_and_direction(redis: Redis) -> None:
    first = [
        an_alert(),
        an_alert(direction="down"),
        an_alert(symbol="S08"),
        an_alert(rule="other"),
        an_alert(direction=None),
    ]
    assert [fire(redis, alert) for alert in first] == [RAISED] * 5
    assert fire(redis, an_alert(T + 1000, direction="down")) == COOLDOWN


def test_told_again_in_any_order_nothing_is_added(redis: Redis) -> None:
    times = [T + s * 1000 for s in (0, 12, 310, 500, 900, 905, 1300)]
    raised = [t for t in times if fire(redis, an_alert(t)) == RAISED]
    assert raised == [T, T + 310_000, T + 900_000, T + 1_300_000]
    assert RAISED not in [fire(redis, an_alert(t)) for t in reversed(times)]
    assert redis.xlen(keys.ALERTS) == len(raised)


def test_a_replay_of_another_year_keeps_its_own_timeline(redis: Redis) -> None:
    for offset in range(REMEMBERED + 10):
        assert fire(redis, an_alert(T + offset * 300_000)) == RAISED
    past = T - 10**11
    assert fire(redis, an_alert(past)) == RAISED
    assert fire(redis, an_alert(past + 1000)) == COOLDOWN
    assert fire(redis, an_alert(past)) == DUPLICATE


def test_what_is_remembered_is_bounded(redis: Redis) -> None:
    for offset in range(REMEMBERED + 20):
        fire(redis, an_alert(T + offset), 0)
    times = redis.hget(keys.ALERTS_FIRED, "velocity|S07|up").split()
    assert times == [str(T + offset).encode() for offset in range(20, REMEMBERED + 20)]


def test_stream_is_capped(redis: Redis) -> None:
    for offset in range(500):
        words = list(raise_alert_args(an_alert(T + offset), 0))
        words[-2] = 100
        redis.execute_command(*words)
    assert 100 <= redis.xlen(keys.ALERTS) < 300


@pytest.mark.parametrize(
    ("position", "text"),
    [
        (1, ""), (1, "1.5"), (1, "-1"), (1, "01"), (1, "0x10"), (1, "1e3"), (1, "9007199254740992"),
        (6, ""), (6, "nan"), (6, "inf"), (6, "1e999"), (6, "0x10"), (6, ".5"), (6, "1."), (6, "01"), (6, "1 "),
        (6, "1,5"), (8, "-"), (8, "--1"), (9, "-1"), (9, "soon"), (10, "0"), (10, "many"),
    ],
)  # fmt: skip
def test_bad_arguments_change_nothing(redis: Redis, position: int, text: str) -> None:
    words = list(raise_alert_args(an_alert(), 300_000))
    words[5 + position] = text
    with pytest.raises(ResponseError, match="BADARG"):
        redis.execute_command(*words)
    assert redis.keys() == []


def test_wrong_number_of_arguments(redis: Redis) -> None:
    words = raise_alert_args(an_alert(), 300_000)
    for bad in (words[:-1], (*words, "x"), ("FCALL", "raise_alert", 1, *words[3:])):
        with pytest.raises(ResponseError, match="BADARG usage: raise_alert"):
            redis.execute_command(*bad)
    assert redis.keys() == []


def test_a_key_of_another_type_changes_nothing(redis: Redis) -> None:
    redis.set(keys.ALERTS, "in the way")
    with pytest.raises(ResponseError, match="WRONGTYPE"):
        fire(redis, an_alert())
    assert redis.keys() == [keys.ALERTS.encode()]


events = st.lists(
    st.tuples(st.integers(0, 60), st.sampled_from(["A", "B"]), st.sampled_from(["up", "down", None])), max_size=40
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(events, st.integers(0, 20))
def test_against_the_plain_definition(redis: Redis, stream: list[tuple[int, str, str | None]], cooldown: int) -> None:
    redis.delete(keys.ALERTS, keys.ALERTS_FIRED)
    fired: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    expected = []
    for t, symbol, direction in stream:
        times = fired[symbol, direction]
        near = min((abs(t - other) for other in times), default=None)
        outcome = RAISED if near is None or (near > 0 and near >= cooldown) else COOLDOWN if near else DUPLICATE
        if outcome == RAISED:
            times.append(t)
            expected.append(alert_id("velocity", symbol, t, direction).encode())
        assert fire(redis, an_alert(t, symbol, direction), cooldown) == outcome
    assert [entry[b"id"] for _, entry in redis.xrange(keys.ALERTS)] == expected


def test_caller_and_function_agree_on_the_outcomes() -> None:
    source = (loader.FOLDER / "raise_alert.lua").read_text()
    assert all(f"return '{outcome}'" in source for outcome in (calls.RAISED, calls.DUPLICATE, calls.COOLDOWN))
