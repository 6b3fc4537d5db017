"""A connection that cannot serve is given up: one that is dead without being closed, and one to a demoted primary."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.read.ranges import Range, read_ranges
from redis_functions.server.connection import connect, connect_async, connect_reader
from redis_functions.write import wire
from tests.own_redis import OwnRedis
from tests.redis_functions.write.test_writer import T, bar, put, series, until, writing
from tests.redis_pair import RedisPair
from tests.support import free_port, wait_until
from tests.tcp_proxy import TcpProxy


@pytest.fixture
def pair() -> Iterator[RedisPair]:
    with RedisPair() as made:
        yield made


def test_the_hot_writer_leaves_a_demoted_primary(pair: RedisPair) -> None:
    async def main() -> None:
        async with writing(pair.proxy.url) as made, asyncio.timeout(30):
            put(made, [bar(second=0)])
            await made.flushed()
            pair.fail_over()
            put(made, [bar(second=1), bar("NEW", second=1)])
            await made.flushed()
            assert made.counts.refused == 0

    asyncio.run(main())
    new = pair.servers[1].client
    assert sorted(series(new, "AAPL", "close")) == [T, T + 1000]
    assert sorted(series(new, "NEW", "close")) == [T + 1000]


def test_clients_of_the_pools_leave_a_demoted_primary(pair: RedisPair) -> None:
    async def asked() -> object:
        async with connect_async(pair.proxy.url) as client:
            await client.set("before", 1)
            pair.fail_over()
            await client.set("after", 1)
            pipe = client.pipeline(transaction=False)
            pipe.set("piped", 1)
            return await pipe.execute(raise_on_error=False)

    with connect(pair.proxy.url) as client:
        client.set("plain", 1)
        assert asyncio.run(asked()) == [True]
        # This client's connection is one to the old primary still.
        pipe = client.pipeline(transaction=False)
        pipe.set("plain", 2)
        assert pipe.execute(raise_on_error=False) == [True]
    assert sorted(pair.servers[1].client.keys("*")) == [b"after", b"before", b"piped", b"plain"]
    assert pair.servers[1].client.get("plain") == b"2"


def test_readers_leave_a_replica_that_lost_its_primary(pair: RedisPair) -> None:
    key = keys.series("AAPL", "1s", "close")
    pair.servers[0].client.execute_command("TS.ADD", key, 1, 10)
    with connect_reader(pair.proxy.url) as client:
        assert read_ranges(client, [Range(key, 0, 9)])[0].v.tolist() == [10]
        pair.fail_over()
        pair.servers[0].client.config_set("replica-serve-stale-data", "no")
        pair.servers[0].client.execute_command("REPLICAOF", "127.0.0.1", "1")

        def read() -> bool:
            try:
                return read_ranges(client, [Range(key, 0, 9)])[0].v.tolist() == [10]
            except RedisError:
                return False

        wait_until(read, 10, "an answer of the new primary")


def test_a_dead_connection_is_given_up_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REPLY_TIMEOUT_S", 1.0)
    monkeypatch.setattr(wire, "CHECK_S", 0.1)
    port = free_port()
    with OwnRedis("--port", str(port), "--bind", "127.0.0.1") as server, TcpProxy(port) as proxy:

        async def main() -> None:
            async with writing(proxy.url) as made, asyncio.timeout(20):
                put(made, [bar(second=0)])
                await made.flushed()
                assert proxy.black_hole() == 1
                put(made, [bar(second=1)])
                await made.flushed()
                assert made.counts.resent >= 1

        asyncio.run(main())
        assert sorted(series(server.client, "AAPL", "close")) == [T, T + 1000]


def test_a_connection_that_died_while_idle_is_noticed_before_bars_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "REPLY_TIMEOUT_S", 0.5)
    monkeypatch.setattr(wire, "IDLE_PING_S", 0.2)
    monkeypatch.setattr(wire, "CHECK_S", 0.1)
    port = free_port()
    with OwnRedis("--port", str(port), "--bind", "127.0.0.1"), TcpProxy(port) as proxy:

        async def main() -> None:
            async with writing(proxy.url) as made, asyncio.timeout(20):
                await until(lambda: made.connected)
                assert proxy.black_hole() == 1
                await until(lambda: proxy.accepted == 2 and made.connected)
                assert made.counts.resent == 0

        asyncio.run(main())


def test_an_idle_connection_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "IDLE_PING_S", 0.01)
    monkeypatch.setattr(wire, "CHECK_S", 0.01)
    port = free_port()
    with OwnRedis("--port", str(port), "--bind", "127.0.0.1") as server, TcpProxy(port) as proxy:

        async def main() -> None:
            async with writing(proxy.url) as made, asyncio.timeout(20):

                def pings() -> int:
                    return int(server.client.info("commandstats").get("cmdstat_ping", {}).get("calls", 0))

                begun = pings()
                await until(lambda: pings() > begun + 20)
                put(made, [bar(second=0)])
                await made.flushed()
                assert (proxy.accepted, made.counts.resent) == (1, 0)

        asyncio.run(main())
