"""When the append-only file is rewritten: the decision, and a rewrite by a real Redis."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis

from ingest.ops import aof_rewrite as module
from ingest.ops.aof_rewrite import RewriteConfig, Rewrites, memory_available, needed_bytes, reason
from ingest.pipeline import Counts
from ingest.spool.log import Spool
from market.bar import Bar
from market.sessions import NEW_YORK
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.server.connection import connect_async
from redis_functions.write.writer import Writer
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


@given(growth=st.integers(0, 1 << 34), free=st.integers(0, 1 << 36), needed=st.integers(1, 1 << 34))
def test_a_file_is_rewritten_while_its_disk_has_room_for_two_rewrites(growth: int, free: int, needed: int) -> None:
    found = reason(growth, 0, False, 1 << 40, free, needed)
    assert (found is not None) == (free < 2 * needed and growth >= 64 * MIB)


def test_what_a_rewrite_needs_is_the_larger_of_old_file_and_memory() -> None:
    assert needed_bytes(300 * MIB, 100 * MIB) == (300 + 128) * MIB
    assert needed_bytes(0, 100 * MIB) == (70 + 128) * MIB


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    with Spool(tmp_path / "spool", limit_bytes=1 << 20, max_age_s=1e9, segment_bytes=1 << 14).open() as opened:
        yield opened


def writer_of(url: str) -> Writer:
    return Writer(url, Schema(), Availability())


def rewrites(
    client: Any, spool: Spool, writer: Writer, *, at: int = NIGHT, counts: Counts | None = None, **more: Any
) -> Rewrites:
    return Rewrites(
        client,
        RewriteConfig(
            more.pop("limit", 4096 * MIB),
            more.pop("always_open", False),
            more.pop("folder", None),
            more.pop("hold", False),
        ),
        SimpleNamespace(token=more.pop("token", 1)),
        counts or Counts(),
        lambda: at,
        writer,
        spool,
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


def test_at_night_the_file_becomes_small_again(redis: Redis, redis_url: str, spool: Spool) -> None:
    grow(redis, 80)
    bars = Counts()

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, spool, writer_of(redis_url), counts=bars)
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
def test_nobody_asks(redis: Redis, redis_url: str, spool: Spool, case: dict[str, Any]) -> None:
    grow(redis, 80)

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, spool, writer_of(redis_url), **case)
        return [await own.look(), await own.look()]

    assert play(redis_url, work) == [False, False]


def test_at_its_limit_the_file_is_rewritten_during_the_market_and_again_when_it_has_grown_again(
    redis: Redis, redis_url: str, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapewatch.ingest")

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, spool, writer_of(redis_url), at=MORNING, limit=64 * MIB)
        await asyncio.to_thread(grow, redis, 66)
        found = [await own.look()]
        await asyncio.to_thread(wait_until, lambda: redis.info("persistence")["aof_current_size"] < 20 * MIB)
        await asyncio.to_thread(grow, redis, 66)
        return [*found, await own.look()]

    assert play(redis_url, work) == [True, True]
    assert "rewrites its append-only file" in caplog.text
    assert "limit" in caplog.text


def test_a_redis_without_such_a_file_is_left_alone(redis: Redis, redis_url: str, spool: Spool) -> None:
    redis.config_set("appendonly", "no")
    try:
        found = play(redis_url, lambda client: rewrites(client, spool, writer_of(redis_url), limit=0).look())
    finally:
        redis.config_set("appendonly", "yes")
        wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])
    assert found is False


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


def test_a_user_without_the_right_is_logged_once(
    redis: Redis, redis_url: str, spool: Spool, caplog: pytest.LogCaptureFixture
) -> None:
    grow(redis, 66)
    redis.execute_command("ACL", "SETUSER", "mallory", "on", ">short", "~*", "+@all", "-bgrewriteaof")

    async def work(client: Any) -> list[bool]:
        await client.execute_command("AUTH", "mallory", "short")
        own = rewrites(client, spool, writer_of(redis_url), at=MORNING, limit=64 * MIB)
        return [await own.look() for _ in range(3)]

    try:
        assert play(redis_url, work) == [False] * 3
    finally:
        redis.execute_command("ACL", "DELUSER", "mallory")
    (warning,) = warnings(caplog)
    assert warning.startswith("Redis refuses to rewrite its append-only file: ")


def test_a_rewrite_that_failed_is_logged_once(spool: Spool, caplog: pytest.LogCaptureFixture) -> None:
    with OwnRedis() as own:
        # A folder blocks the path of the new file.
        (own.folder / "redis" / "appendonlydir" / "appendonly.aof.2.base.rdb" / "in the way").mkdir(parents=True)
        own.client.set("kept", 1)
        own.client.bgrewriteaof()
        wait_until(lambda: own.client.info("persistence")["aof_last_bgrewrite_status"] == "err")

        async def work(client: Any) -> list[bool]:
            looks = rewrites(client, spool, writer_of(own.url))
            return [await looks.look() for _ in range(2)]

        assert play(own.url, work) == [False, False]
        assert own.client.get("kept") == b"1"
    (warning,) = warnings(caplog)
    assert warning.startswith("the last rewrite of the append-only file failed")


def bar(second: int) -> Bar:
    return Bar("A", MORNING + 1000 * second, 100, 100, 100, 100, 1.0, 100.0)


def newest(redis: Redis) -> int | None:
    found = redis.execute_command("TS.GET", keys.series("A", "1s", "close"))
    return int(found[0]) if found else None


@pytest.mark.parametrize("hold", [True, False])
def test_bars_wait_while_the_fork_lives_where_writes_are_held(
    redis: Redis, redis_url: str, spool: Spool, hold: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "memory_available", lambda: 1 << 50)  # only the configuration decides
    redis.mset({f"slow:{i}": "x" for i in range(200)})

    async def work(client: Any) -> tuple[int | None, int | None, int]:
        writer = writer_of(redis_url)
        running = asyncio.create_task(writer.run())
        writer.put([bar(0)], [True])
        await writer.flushed()
        await asyncio.to_thread(grow, redis, 66)
        redis.config_set("rdb-key-save-delay", 10_000)  # microseconds a key: the child takes two seconds and more
        look = asyncio.create_task(rewrites(client, spool, writer, at=MORNING, limit=64 * MIB, hold=hold).look())
        try:
            under_way = lambda: redis.info("persistence")["aof_rewrite_in_progress"]  # noqa: E731
            await asyncio.to_thread(wait_until, under_way, 10, "the rewrite")
            writer.put([bar(1)], [True])
            if not hold:
                await writer.flushed()
            await asyncio.sleep(0.3)
            meanwhile, waiting, at_work = newest(redis), writer.waiting, under_way()
            assert at_work
            assert await look
            await writer.flushed()
            return meanwhile, newest(redis), waiting
        finally:
            redis.config_set("rdb-key-save-delay", 0)
            running.cancel()

    meanwhile, after, waiting = play(redis_url, work)
    assert after == MORNING + 1000
    assert (meanwhile, waiting) == ((MORNING, 1) if hold else (MORNING + 1000, 0))


def test_the_writer_sends_again_when_the_look_is_cancelled(redis: Redis, redis_url: str, spool: Spool) -> None:
    redis.mset({f"slow:{i}": "x" for i in range(200)})

    async def work(client: Any) -> None:
        writer = writer_of(redis_url)
        running = asyncio.create_task(writer.run())
        await asyncio.to_thread(grow, redis, 66)
        redis.config_set("rdb-key-save-delay", 10_000)
        look = asyncio.create_task(rewrites(client, spool, writer, at=MORNING, limit=64 * MIB, hold=True).look())
        try:
            under_way = lambda: redis.info("persistence")["aof_rewrite_in_progress"]  # noqa: E731
            await asyncio.to_thread(wait_until, under_way, 10, "the rewrite")
            writer.put([bar(1)], [True])
            look.cancel()
            async with asyncio.timeout(1):
                await writer.flushed()
        finally:
            redis.config_set("rdb-key-save-delay", 0)
            running.cancel()

    play(redis_url, work)
    assert newest(redis) == MORNING + 1000
    wait_until(lambda: not redis.info("persistence")["aof_rewrite_in_progress"])


def test_where_the_disk_is_short_the_spool_gives_way_and_the_file_is_rewritten(
    redis: Redis, redis_url: str, spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(100):
        spool.append(b"x" * 4000, int(time.time() * 1000))  # not old: age alone would not delete it
    acknowledged = spool.last - 20
    spool.acknowledge(acknowledged)
    before = spool.bytes
    monkeypatch.setattr(module, "free_bytes", lambda folder: 100 * MIB)
    monkeypatch.setattr(module, "same_disk", lambda one, other: True)

    async def work(client: Any) -> list[bool]:
        own = rewrites(client, spool, writer_of(redis_url), at=MORNING)
        found = [await own.look()]  # the file has not grown yet: nothing would be won
        await asyncio.to_thread(grow, redis, 66)
        return [*found, await own.look()]

    assert play(redis_url, work) == [False, True]
    assert spool.bytes < before / 2
    assert spool.first <= acknowledged + 1  # what is not in Redis yet stays


def test_memory_that_is_available(tmp_path: Path) -> None:
    (tmp_path / "meminfo").write_text("MemTotal: 2000 kB\nMemAvailable:     1000 kB\n")
    assert memory_available(tmp_path / "meminfo") == 1_024_000
    assert memory_available(tmp_path / "none") == 0
