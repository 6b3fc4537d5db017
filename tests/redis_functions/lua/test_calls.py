"""The typed callers: words of one cluster slot, the sample beside the alert, a library that went missing."""

from __future__ import annotations

import asyncio

import pytest
from msgspec.structs import replace
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import RedisError, ResponseError

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.lua import calls, loader
from redis_functions.server.connection import connect_async

T = 1_760_103_000_000
ALERT = Alert(
    alert_id("velocity", "BRK.B", T, "up"),
    T,
    "BRK.B",
    "velocity",
    "warning",
    "up",
    0.8,
    "BRK.B up 0.80 % in 5 s",
    501.25,
)


def raise_async(url: str, *alerts: Alert, cooldown_ms: int = 300_000) -> list[str | RedisError]:
    async def run() -> list[str | RedisError]:
        async with connect_async(url) as client:
            return await calls.raise_alerts(client, alerts, cooldown_ms)

    return asyncio.run(run())


def samples(redis: Redis, symbol: str) -> list[tuple[int, float]]:
    return [(t, float(v)) for t, v in redis.execute_command("TS.RANGE", keys.alert_series(symbol), "-", "+")]


def test_id_is_deterministic() -> None:
    assert alert_id("velocity", "AAPL", T, "down") == f"velocity:AAPL:{T}:down"
    assert alert_id("halt", "AAPL", T, None) == f"halt:AAPL:{T}:"


@pytest.mark.parametrize(
    "words",
    [
        calls.raise_alert_args(ALERT, 300_000),
        calls.candles_args("BRK.B", "1m", None, None, 10),
        ("FCALL_RO", "last_bar", 1, keys.latest("BRK.B")),
        ("FCALL_RO", "movers_top", 1, keys.MOVERS),
    ],
    ids=lambda words: str(words[1]),
)
def test_keys_of_a_call_share_a_cluster_slot(words: calls.Words) -> None:
    count = int(words[2])
    declared = words[3 : 3 + count]
    assert len({key_slot(str(key).encode()) for key in declared}) == 1
    if words[1] == "raise_alert":
        assert set(declared) == {keys.ALERTS, keys.ALERTS_FIRED}


def test_raises_and_samples(redis: Redis, redis_url: str) -> None:
    assert raise_async(redis_url, ALERT) == [calls.RAISED]
    assert samples(redis, "BRK.B") == [(T, 0.8)]
    info = dict(zip(*[iter(redis.execute_command("TS.INFO", keys.alert_series("BRK.B")))] * 2, strict=True))
    assert info[b"retentionTime"] == calls.ALERT_RETENTION_MS
    assert [b"symbol", b"BRK.B"] in info[b"labels"]


def test_told_again_it_mends_a_lost_sample_only(redis: Redis, redis_url: str) -> None:
    raise_async(redis_url, ALERT)
    redis.delete(keys.alert_series("BRK.B"))
    assert raise_async(redis_url, ALERT) == [calls.DUPLICATE]
    assert samples(redis, "BRK.B") == [(T, 0.8)]
    assert redis.xlen(keys.ALERTS) == 1


def test_cooldown_leaves_no_sample(redis: Redis, redis_url: str) -> None:
    again = replace(ALERT, id=alert_id("velocity", "BRK.B", T + 1000, "up"), t=T + 1000)
    assert raise_async(redis_url, ALERT, again) == [calls.RAISED, calls.COOLDOWN]
    assert samples(redis, "BRK.B") == [(T, 0.8)]


def test_replay_of_another_year_raises_without_a_sample(redis: Redis, redis_url: str) -> None:
    old = replace(ALERT, id=alert_id("velocity", "BRK.B", T - 10**11, "up"), t=T - 10**11)
    assert raise_async(redis_url, ALERT, old) == [calls.RAISED, calls.RAISED]
    assert samples(redis, "BRK.B") == [(T, 0.8)]


def test_redis_restarted_empty(redis: Redis, redis_url: str) -> None:
    loader.ensure(redis)
    redis.function_flush()
    assert raise_async(redis_url, ALERT) == [calls.RAISED]
    redis.function_flush()
    assert calls.last_bar(redis, "BRK.B") == {}
    redis.function_flush()
    assert calls.raise_alert_sync(redis, ALERT, 300_000) == calls.DUPLICATE


def test_sync_variant_does_the_same(redis: Redis) -> None:
    later = replace(ALERT, id=alert_id("velocity", "BRK.B", T + 1, "up"), t=T + 1)
    old = replace(ALERT, id=alert_id("velocity", "BRK.B", T - 10**11, "up"), t=T - 10**11)
    outcomes = [calls.raise_alert_sync(redis, each, 300_000) for each in (ALERT, later, old)]
    assert outcomes == [calls.RAISED, calls.COOLDOWN, calls.RAISED]
    assert samples(redis, "BRK.B") == [(T, 0.8)]


def test_each_alert_has_its_own_answer(redis: Redis, redis_url: str) -> None:
    """One that Redis refuses costs the others nothing."""
    redis.set(keys.alert_series("ODD"), "in the way")
    odd, later = replace(ALERT, symbol="ODD", id="odd"), replace(ALERT, symbol="F", id="later")
    first, refused, last, again = raise_async(redis_url, ALERT, odd, later, ALERT)
    assert (first, last, again) == (calls.RAISED, calls.RAISED, calls.DUPLICATE)
    assert isinstance(refused, ResponseError)
    assert (len(samples(redis, "BRK.B")), len(samples(redis, "F"))) == (1, 1)


def test_other_errors_are_raised(redis: Redis, redis_url: str) -> None:
    redis.set(keys.alert_series("BRK.B"), "in the way")
    (error,) = raise_async(redis_url, ALERT)
    assert isinstance(error, ResponseError)
    with pytest.raises(ResponseError):
        calls.raise_alert_sync(redis, ALERT, 300_000)
    with pytest.raises(ResponseError, match="BADARG magnitude"):
        calls.raise_alert_sync(redis, replace(ALERT, magnitude=float("nan")), 300_000)
