"""The same event has the same id; raising it is one atomic call in Redis, so a crash and a retry change nothing."""

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.lua.calls import raise_alert_sync

T, COOLDOWN = 1_760_104_800_000, 300_000


def alert(t: int, direction: str = "up") -> Alert:
    return Alert(
        alert_id("velocity", "F", t, direction), t, "F", "velocity", "warning", direction, 0.6, "F moved", 10.5
    )


def test_raised_again_it_is_known_and_too_soon_it_is_quiet(redis: Redis) -> None:
    alerts = [alert(T), alert(T), alert(T + 299_999), alert(T + 299_999, "down"), alert(T + 300_000)]
    outcomes = [raise_alert_sync(redis, one, COOLDOWN) for one in alerts]
    assert outcomes == ["raised", "duplicate", "cooldown", "raised", "raised"]
    assert [entry[b"id"].decode() for _, entry in redis.xrange(keys.ALERTS)] == [alerts[i].id for i in (0, 3, 4)]
