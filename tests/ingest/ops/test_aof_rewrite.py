"""When the append-only file is rewritten: the decision, and a rewrite by a real Redis."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from ingest.ops.aof_rewrite import RewriteConfig, Rewrites, reason
from ingest.pipeline import Counts
from market.sessions import NEW_YORK
from redis_functions.server.connection import connect_async
from tests.own_redis import OwnRedis
from tests.support import wait_until

MIB = 1 << 20


def new_york(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp() * 1000)


NIGHT, MORNING, SATURDAY = (new_york(text) for text in ("2025-10-15T02:00", "2025-10-15T10:00", "2025-10-18T11:00"))


@given(growth=st.integers(0, 1 << 40), base=st.integers(0, 1 << 34), limit=st.integers(64 * MIB, 1 << 36))
def test_a_file_is_rewritten_while_the_market_rests_or_at_its_limit(growth: int, base: int, limit: int) -> None:
    market, night = reason(growth, base, False, limit), reason(growth, base, True, limit)
    assert (market is not None) == (growth > limit)
    assert (night is not None) == (growth > limit or growth >= max(64 * MIB, base))


def rewrites(client: Any, *, at: int = NIGHT, counts: Counts | None = None, **more: Any) -> Rewrites:
    return Rewrites(
        client,
        RewriteConfig(more.pop("limit", 4096 * MIB), more.pop("always_open", False)),
        SimpleNamespace(token=more.pop("token", 1)),
        counts or Counts(),
        lambda: at,
    )


def grow(redis: Redis, mib: int) -> None:
    """Sets the same few keys repeatedly: the file grows, the store does not."""
    for i in range(mib):
        redis.set(f"grown:{i % 3}", "x" * MIB)


def play(redis_url: str, work: Callable[[Any], Any]) -> Any:
    async def main() -> Any:
        client = connect_async(redis_url)
        try:
            return await work(client)
        finally:
            await client.aclose()

    return asyncio.run(main())


def test_at_night_the_file_becomes_small_again(redis: Redis, redis_url: str) -> None:
    grow(redis, 80)
    bars = Counts()

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, counts=bars)
        bars.bars = 5
        found = [await own.look()]  # bars came since the last look, as far as is known
        assert own.statistics()["redis_aof_bytes"] > 80 * MIB
        found.append(await own.look())
        await asyncio.to_thread(wait_until, lambda: redis.info("persistence")["aof_current_size"] < 20 * MIB)
        found.append(await own.look())
        assert own.statistics()["redis_aof_bytes"] < 20 * MIB
        return found

    assert play(redis_url, work) == [False, True, False]
    assert redis.strlen("grown:1") == MIB


@pytest.mark.parametrize(
    "case",
    [
        {"at": MORNING},
        {"at": SATURDAY, "always_open": True},
        {"token": 0},
    ],
    ids=["market", "always open", "standby"],
)
def test_nobody_asks(redis: Redis, redis_url: str, case: dict[str, Any]) -> None:
    grow(redis, 80)

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, **case)
        return [await own.look(), await own.look()]

    assert play(redis_url, work) == [False, False]


def test_at_its_limit_the_file_is_rewritten_during_the_market_and_then_not_soon_again(
    redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapewatch.ingest")

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, at=MORNING, limit=64 * MIB)
        await asyncio.to_thread(grow, redis, 66)
        found = [await own.look()]
        await asyncio.to_thread(wait_until, lambda: redis.info("persistence")["aof_current_size"] < 20 * MIB)
        await asyncio.to_thread(grow, redis, 66)
        return [*found, await own.look()]

    assert play(redis_url, work) == [True, False]
    assert "rewrites its append-only file" in caplog.text
    assert "limit" in caplog.text


def test_a_redis_without_such_a_file_is_left_alone(redis: Redis, redis_url: str) -> None:
    redis.config_set("appendonly", "no")
    try:
        found = play(redis_url, lambda client: rewrites(client, limit=0).look())
    finally:
        redis.config_set("appendonly", "yes")
        wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
    assert found is False


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_user_without_the_right_is_logged_once(
    redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    grow(redis, 66)
    redis.execute_command("ACL", "SETUSER", "mallory", "on", ">short", "~*", "+@all", "-bgrewriteaof")

    async def work(client: Any) -> list[bool]:
        await client.execute_command("AUTH", "mallory", "short")
        own = rewrites(client, at=MORNING, limit=64 * MIB)
        return [await own.look() for _ in range(3)]

    try:
        assert play(redis_url, work) == [False] * 3
    finally:
        redis.execute_command("ACL", "DELUSER", "mallory")
    (warning,) = warnings(caplog)
    assert warning.startswith("Redis refuses to rewrite its append-only file: ")


def test_a_rewrite_that_failed_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    with OwnRedis() as own:
        # A folder blocks the path of the new file.
        (own.folder / "redis" / "appendonlydir" / "appendonly.aof.2.base.rdb" / "in the way").mkdir(parents=True)
        own.client.set("kept", 1)
        own.client.bgrewriteaof()
        wait_until(lambda: own.client.info("persistence")["aof_last_bgrewrite_status"] == "err")

        async def work(client: Any) -> list[bool]:
            looks = rewrites(client)
            return [await looks.look() for _ in range(2)]

        assert play(own.url, work) == [False, False]
        assert own.client.get("kept") == b"1"
    (warning,) = warnings(caplog)
    assert warning.startswith("the last rewrite of the append-only file failed")
