"""Alerts on their way to Redis: in order, once each, and none blocks the next."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from redis import Redis

from ingest import outbox as module
from ingest.alerting import AlertLane
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.lua import loader
from redis_functions.server.connection import connect_async
from tests.own_redis import OwnRedis

T = 1_760_104_800_000


def alert(symbol: str, second: int = 0, direction: str = "up") -> Alert:
    t = T + second * 1000
    text = f"{symbol} moved"
    return Alert(
        alert_id("velocity", symbol, t, direction), t, symbol, "velocity", "warning", direction, 1.5, text, 101.25
    )


@asynccontextmanager
async def alerting(url: str, cooldown_ms: int = 300_000) -> AsyncIterator[AlertLane]:
    client = connect_async(url)
    made = AlertLane(client, cooldown_ms, Availability())
    task = asyncio.create_task(made.run())
    try:
        async with asyncio.timeout(20):
            yield made
            await made.emptied()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await client.aclose()


def raised(redis: Redis) -> list[str]:
    return [fields[b"id"].decode() for _, fields in redis.xrange(keys.ALERTS)]


def test_alerts_are_raised_in_order_and_known_ones_are_counted_apart(redis: Redis, redis_url: str) -> None:
    loader.ensure(redis)
    asked = [alert("F"), alert("AAPL"), alert("F"), alert("F", 299), alert("F", 299, "down"), alert("F", 300)]

    async def work() -> AlertLane:
        async with alerting(redis_url) as made:
            for number, one in enumerate(asked, start=5):
                made.put_alert(number, one)
            assert made.oldest == 5
        assert made.oldest is None
        return made

    counts = asyncio.run(work()).counts
    assert raised(redis) == [asked[i].id for i in (0, 1, 4, 5)]
    assert (counts.raised, counts.known, counts.refused) == (4, 2, 0)


def test_an_alert_that_redis_refuses_does_not_stand_in_the_way(
    redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    loader.ensure(redis)
    redis.set(keys.alert_series("ODD"), "no series")  # its sample can never be written

    async def work() -> AlertLane:
        async with alerting(redis_url) as made:
            for symbol in ("ODD", "F"):
                made.put_alert(0, alert(symbol))
        return made

    counts = asyncio.run(work()).counts
    assert raised(redis)[-1] == alert("F").id
    assert (counts.raised, counts.refused) == (1, 1)
    assert caplog.text.count("refuses the alert") == 1


def test_a_redis_without_the_functions_gets_them(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with alerting(redis_url) as made:
            made.put_alert(0, alert("F"))

    asyncio.run(work())
    assert raised(redis) == [alert("F").id]


@pytest.mark.parametrize("trouble", ["full", "replica", "away"])
def test_what_may_pass_is_waited_for(
    trouble: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)
    caplog.set_level(logging.WARNING)

    async def work(server: OwnRedis) -> AlertLane:
        client = server.client
        async with alerting(server.url) as made:
            if trouble == "full":
                client.config_set("maxmemory", 100_000)
            elif trouble == "replica":
                client.execute_command("REPLICAOF", "127.0.0.1", "1")
            else:
                await asyncio.to_thread(server.kill)
            for second in range(3):
                made.put_alert(0, alert("F", 300 * second))
            while "tried again" not in caplog.text:
                await asyncio.sleep(0.01)
            assert made.counts.raised == 0
            if trouble == "full":
                client.config_set("maxmemory", 0)
            elif trouble == "replica":
                client.execute_command("REPLICAOF", "NO", "ONE")
            else:
                await asyncio.to_thread(server.start)
        return made

    with OwnRedis() as server:
        loader.ensure(server.client)
        assert asyncio.run(work(server)).counts.raised == 3
        assert raised(server.client) == [alert("F", 300 * s).id for s in range(3)]


def test_a_raised_alert_is_said_in_the_log(redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")

    async def work() -> None:
        async with alerting(redis_url) as made:
            made.put_alert(0, alert("F"))
            made.put_alert(0, alert("F"))

    asyncio.run(work())
    assert caplog.text.count("F moved") == 1
