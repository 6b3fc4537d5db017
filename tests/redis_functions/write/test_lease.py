"""The lease as two daemons live it: real processes, killed, stopped, cut off by a Redis that pauses or loses everything."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect, connect_async
from redis_functions.write.lease import Lease, new_owner
from tests.support import ROOT, wait_until

LEASE = keys.lease("stocks")


class Daemon:
    """A process that wants the lease."""

    def __init__(self, url: str, owner: str, folder: Path, ttl_s: float = 1.0) -> None:
        self.owner = owner
        self._told = folder / f"{owner}.{os.urandom(3).hex()}"
        with self._told.open("w") as out, self._told.with_suffix(".log").open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "tests.redis_functions.write.lease_holder", url, owner, str(ttl_s)],
                stdout=out, stderr=log, cwd=ROOT,
            )  # fmt: skip

    @property
    def lines(self) -> list[str]:
        return self._told.read_text().split()

    def token(self, seconds: float = 20) -> int:
        return int(wait_until(lambda: self.lines, seconds, f"{self.owner} has the lease")[-1])

    def stop(self, signum: int) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signum)
        self.process.wait(10)

    def __enter__(self) -> Daemon:
        return self

    def __exit__(self, *error: object) -> None:
        self.stop(signal.SIGKILL)


def owner_of(redis: Redis) -> str:
    text = redis.get(LEASE)
    return json.loads(text)["owner"] if text else ""


@pytest.fixture
def daemons(redis: Redis, redis_url: str, tmp_path: Path) -> Iterator[tuple[Daemon, Daemon]]:
    """One that has the lease and one that waits for it, with the times of the real ones."""
    with Daemon(redis_url, "first", tmp_path, 5.0) as first:
        first.token()
        with Daemon(redis_url, "second", tmp_path, 5.0) as second:
            wait_until(lambda: len(redis.client_list()) >= 3, 20, "the standby is there")
            yield first, second


def test_owners_differ() -> None:
    assert new_owner() != new_owner()


def test_a_killed_holder_is_followed_within_ten_seconds(redis: Redis, daemons: tuple[Daemon, Daemon]) -> None:
    first, second = daemons
    token = first.token()
    assert owner_of(redis) == "first"
    first.stop(signal.SIGKILL)
    assert second.token(10) > token
    assert owner_of(redis) == "second"


def test_a_clean_stop_is_followed_without_waiting_for_the_lease_to_expire(
    redis: Redis, daemons: tuple[Daemon, Daemon]
) -> None:
    first, second = daemons
    token = first.token()
    first.stop(signal.SIGTERM)
    assert first.process.returncode == 0
    assert second.token(2.5) > token


def test_a_holder_that_renews_is_never_evicted(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    with Daemon(redis_url, "first", tmp_path, 0.5) as first, ExitStack() as others:
        token = first.token()
        for name in ("b", "c"):
            others.enter_context(Daemon(redis_url, name, tmp_path, 0.5))
        renewals = 0
        last = 0
        while renewals < 20:
            left = redis.pttl(LEASE)
            assert owner_of(redis) in ("first", "")
            renewals += left > last
            last = left
        assert first.lines == [str(token)]
        assert int(redis.get(keys.lease_token("stocks"))) == token


def test_a_restarted_process_that_is_the_same_owner_has_it_at_once(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    with Daemon(redis_url, "box", tmp_path, 60.0) as first:
        token = first.token()
        first.stop(signal.SIGKILL)
    with Daemon(redis_url, "box", tmp_path, 60.0) as again:
        assert again.token() > token


# --- a Redis of our own, to be paused, killed and emptied


class Server:
    """A Redis that can be stopped and started again in the same folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = embedded.url(folder)
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(embedded.command(self.folder), stdout=subprocess.DEVNULL)
        with connect(self.url) as client:
            wait_until(lambda: _answers(client), 10, "Redis")

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(10)


def _answers(client: Redis) -> bool:
    try:
        return bool(client.ping())
    except RedisError:
        return False


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("r"))
    yield made
    made.process.send_signal(signal.SIGCONT)
    made.kill()


@pytest.mark.parametrize("outage", ["paused", "killed", "emptied"])
def test_through_an_outage_longer_than_the_lease_its_holder_keeps_it(
    server: Server, tmp_path: Path, outage: str
) -> None:
    """Both try all the time; when Redis is back, the owner renews and the standby keeps waiting."""
    with Daemon(server.url, "first", tmp_path) as first, Daemon(server.url, "second", tmp_path) as second:
        with connect(server.url) as client:
            wait_until(lambda: owner_of(client), 20, "one of them to get the lease")
            name = owner_of(client)
        had, waits = (first, second) if name == "first" else (second, first)
        token = had.token()
        wait_until(lambda: "standby" in log_of(waits), 20, "the other one waits")
        if outage == "paused":
            server.process.send_signal(signal.SIGSTOP)
        else:
            server.kill()
        # Both have noticed, and a lease of one second has expired when they are waited for.
        wait_until(
            lambda: "cannot be renewed" in log_of(had) and "waits for Redis" in log_of(waits), 20, "both noticed"
        )
        if outage == "paused":
            server.process.send_signal(signal.SIGCONT)
        else:
            if outage == "emptied":
                for path in (server.folder / "redis").rglob("*.aof"):
                    path.unlink()
                for path in (server.folder / "redis").rglob("*.manifest"):
                    path.unlink()
            server.start()
        wait_until(lambda: "is renewed" in log_of(had), 20, "the owner to renew")
        with connect(server.url) as client:
            assert owner_of(client) == name
            # Two renewals later the standby has had its chances too.
            for _ in range(2):
                before = client.pttl(LEASE)
                wait_until(lambda low=before: client.pttl(LEASE) < low, 5, "the lease runs", every=0.005)
                wait_until(lambda: client.pttl(LEASE) > 800, 5, "the lease is renewed", every=0.005)
            assert owner_of(client) == name
            assert int(client.get(keys.lease_token("stocks"))) == token
        assert had.lines == [str(token)]
        assert waits.lines == []


def log_of(daemon: Daemon) -> str:
    return daemon._told.with_suffix(".log").read_text()


def test_a_holder_that_was_frozen_learns_that_it_lost(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    with Daemon(redis_url, "first", tmp_path) as first, Daemon(redis_url, "second", tmp_path) as second:
        wait_until(lambda: owner_of(redis), 20, "one of them to get the lease")
        had, waits = (first, second) if owner_of(redis) == "first" else (second, first)
        token = had.token()
        had.process.send_signal(signal.SIGSTOP)
        assert waits.token() > token
        had.process.send_signal(signal.SIGCONT)
        wait_until(lambda: had.lines[-1:] == ["lost"], 20, "the former owner to notice")
        assert owner_of(redis) == waits.owner


def test_within_one_process(redis: Redis, redis_url: str) -> None:
    async def run() -> tuple[int, bool, bool, int]:
        async with connect_async(redis_url) as client:
            lease = Lease(client, "stocks", "me")
            with pytest.raises(RuntimeError):
                await lease.hold(lambda: None)
            token = await lease.wait()
            assert lease.token == token
            first, second = await lease.release(), await lease.release()
            return token, first, second, lease.token

    token, first, second, after = asyncio.run(run())
    assert token > 0
    assert (first, second, after) == (True, False, 0)


def test_renewing_later_than_it_expires_is_refused(redis_url: str) -> None:
    with pytest.raises(ValueError, match="renewed"):
        Lease(connect_async(redis_url), "stocks", "me", 1.0, 1.0)
