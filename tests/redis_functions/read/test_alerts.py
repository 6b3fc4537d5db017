"""The stream of alerts beside entries that others put into it."""

from __future__ import annotations

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id, parse_alert
from redis_functions.lua.calls import raise_alert_sync
from redis_functions.read.alerts import AlertLog

T = 1_760_103_000_000


def alert(t: int, direction: str | None = "up") -> Alert:
    return Alert(alert_id("r", "AAPL", t, direction), t, "AAPL", "r", "info", direction, 0.5, "“moved”", 1.25)


def test_what_was_raised_is_read_as_it_was(redis: Redis) -> None:
    raised = [alert(T + 2), alert(T + 1, None), alert(T + 3, "down")]
    for one in raised:
        raise_alert_sync(redis, one, 0)
    assert AlertLog(redis).read() == sorted(raised, key=lambda one: one.t)


OURS = {
    "id": "x", "t": "1", "symbol": "A", "rule": "r", "severity": "info", "direction": "", "magnitude": "1", "message": "",
    "price": "1",
}  # fmt: skip
FOREIGN = [
    {"symbol": "AAPL", "message": "my own note"},
    OURS | {"t": "soon"},
    OURS | {"magnitude": "nan"},
    OURS | {"id": b"\xff"},
]


@pytest.mark.parametrize("fields", FOREIGN)
def test_an_entry_of_others_is_left_out_and_counted(redis: Redis, fields: dict[bytes | str, bytes | str]) -> None:
    raise_alert_sync(redis, alert(T), 0)
    redis.xadd(keys.ALERTS, dict(fields))  # type: ignore[arg-type]
    raise_alert_sync(redis, alert(T + 1), 0)
    log = AlertLog(redis)
    assert [one.t for one in log.read()] == [T, T + 1]
    assert log.foreign == 1
    redis.xadd(keys.ALERTS, dict(fields))  # type: ignore[arg-type]
    assert [one.t for one in log.read()] == [T, T + 1]
    assert log.foreign == 2
    redis.delete(keys.ALERTS)
    assert log.read() == []
    assert log.foreign == 0


def test_a_field_more_does_no_harm() -> None:
    fields = {
        b"id": b"x", b"t": b"1", b"symbol": b"A", b"rule": b"r", b"severity": b"info", b"direction": b"", b"magnitude": b"1",
        b"message": b"", b"price": b"2", b"later": b"y",
    }  # fmt: skip
    assert parse_alert(fields) == Alert("x", 1, "A", "r", "info", None, 1.0, "", 2.0)
