"""One connection to the vendor: the owner of the lease reads, others wait; without Redis availability comes first."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from ingest import feed_lease as module
from ingest.feed_lease import FeedLease
from redis_functions.server import embedded
from redis_functions.server.connection import connect_async
from redis_functions.write.lease import Lease
from tests.fake_vendor import KEY, Vendor
from vendor.interface import FeedConfig, Subscription
from vendor.massive.feed import WebSocketFeed


class _Deaf:
    async def greeted(self, market: str) -> None: ...
    def frame(self, frame: bytes) -> None: ...
    def connected(self) -> None: ...
    def disconnected(self, reason: str) -> None: ...


async def until(true: Callable[[], object], what: str) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


async def hold(held: FeedLease) -> None:
    """What the process does."""
    try:
        while True:
            await held.allowed()
            await held.read()
    finally:
        await held.close()


def held(client: AsyncRedis, vendor: Vendor, owner: str) -> tuple[FeedLease, Lease]:
    lease = Lease(client, "stocks", owner, ttl_s=1.5, renew_s=0.4, poll_s=0.2, missing_s=0.5)
    return FeedLease(WebSocketFeed(FeedConfig(vendor.url, KEY, Subscription(("A.*",))), _Deaf()), lease), lease


def test_the_second_waits_until_the_first_gives_way(redis: Redis, redis_url: str) -> None:
    async def go() -> None:
        async with Vendor() as vendor, connect_async(redis_url) as client:
            first, lease = held(client, vendor, "first")
            one = asyncio.create_task(hold(first))
            await until(lambda: vendor.connections == 1, "the first connection")
            second, other = held(client, vendor, "second")
            two = asyncio.create_task(hold(second))
            await until(lambda: other.current == "first", "the standby")
            assert vendor.connections == 1
            one.cancel()
            await asyncio.gather(one, return_exceptions=True)
            await lease.release()
            await until(lambda: vendor.connections == 2, "the takeover")
            two.cancel()
            await asyncio.gather(two, return_exceptions=True)

    asyncio.run(go())


def test_while_redis_is_away_the_feed_is_read_and_given_up_when_another_turns_out_to_hold_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "UNREACHABLE_S", 0.5)
    folder = Path(tempfile.mkdtemp(prefix="tw-hold-"))
    url = embedded.url(folder)
    server = subprocess.Popen(embedded.command(folder), stdout=subprocess.DEVNULL)

    async def go() -> None:
        async with Vendor() as vendor, connect_async(url) as client, connect_async(url) as others:
            other = Lease(others, "stocks", "other", ttl_s=60, renew_s=1)
            await other.wait()
            server.send_signal(signal.SIGSTOP)
            mine, lease = held(client, vendor, "mine")
            task = asyncio.create_task(hold(mine))
            await until(lambda: vendor.connections == 1, "a connection without Redis")
            server.send_signal(signal.SIGCONT)
            await until(lambda: lease.current == "other", "the owner of the lease")
            await until(lambda: not vendor.open, "the feed to close")
            assert not lease.token
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    try:
        asyncio.run(go())
    finally:
        server.send_signal(signal.SIGCONT)
        server.terminate()
        server.wait(10)
