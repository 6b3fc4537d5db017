"""A Redis behind TLS, by every way that we reach one: redis-py, asyncio, the bare wire, many replies at once."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from market.bar import Bar
from market.timeframes import parse
from redis_functions.contract.resp import encode
from redis_functions.read.bulk import exchange
from redis_functions.read.reader import read_candles
from redis_functions.server.connection import connect, connect_async, connect_reader
from redis_functions.write.wire import Wire
from tests.support import write_bars
from tests.tls import TlsRedis, certificate

PING = encode(["PING"])
T0 = 1_760_103_000_000


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[TlsRedis, str]]:
    """A server that also asks its clients for a certificate and a password, and the URL of one who has both."""
    made, key = certificate(tmp_path_factory.mktemp("tls"))
    with TlsRedis(made, key, "--tls-auth-clients", "yes") as server:
        server.client.execute_command("ACL", "SETUSER", "writer", "on", ">p@ss/word", "~*", "&*", "+@all")
        trust = f"ssl_ca_certs={made}&ssl_certfile={made}&ssl_keyfile={key}"
        yield server, f"rediss://writer:p%40ss%2Fword@{server.address}?{trust}"


def replies(url: str) -> list[object]:
    async def main() -> list[object]:
        wire = await Wire.open(url)
        try:
            return await wire.send(PING + encode(["ACL", "WHOAMI"]), 2)
        finally:
            wire.close()
            async with asyncio.timeout(5):
                while wire._transport is not None:
                    await asyncio.sleep(0.001)

    return asyncio.run(main())


def test_the_bare_wire(tls: tuple[TlsRedis, str]) -> None:
    assert replies(tls[1]) == [b"PONG", b"writer"]


def test_both_kinds_of_clients(tls: tuple[TlsRedis, str]) -> None:
    async def whoami() -> object:
        async with connect_async(tls[1]) as client:
            return await client.execute_command("ACL", "WHOAMI")

    with connect(tls[1]) as client:
        assert client.execute_command("ACL", "WHOAMI") == b"writer"
    assert asyncio.run(whoami()) == b"writer"


def test_thousands_of_numbers_at_once(tls: tuple[TlsRedis, str]) -> None:
    """More than one TLS record holds (16 KiB), in one reply and in many."""
    with connect_reader(tls[1]) as client:
        assert exchange(client, encode(["ECHO", "x" * 300_000])) == b"$300000\r\n" + b"x" * 300_000 + b"\r\n"
        write_bars(client, [Bar("TLS", T0 + i * 1000, i + 1, i + 2, i + 1, i + 2, i, i + 1) for i in range(3000)])
        (found,) = read_candles(client, ["TLS"], parse("1s"), 0, T0 * 2, 5_000)
        assert found.t.tolist() == [T0 + i * 1000 for i in range(3000)]
        assert found.fields[3].tolist() == [i + 2 for i in range(3000)]


def test_who_is_not_known_is_not_trusted(tls: tuple[TlsRedis, str], tmp_path: Path) -> None:
    server, _ = tls
    other, _ = certificate(tmp_path)
    for trust in ("", f"?ssl_ca_certs={other}"):
        url = f"rediss://writer:p%40ss%2Fword@{server.address}{trust}"
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            replies(url)
        with pytest.raises(RedisConnectionError, match="certificate verify failed"), connect(url) as client:
            client.ping()


def test_a_certificate_of_another_name_is_refused_unless_asked_not_to_look(tmp_path: Path) -> None:
    made, key = certificate(tmp_path, "elsewhere", "DNS:elsewhere")
    with TlsRedis(made, key, "--tls-auth-clients", "no") as server:
        url = f"rediss://{server.address}?ssl_ca_certs={made}"
        with pytest.raises(ssl.SSLError, match="IP address mismatch"):
            replies(url)
        with pytest.raises(RedisConnectionError, match="IP address mismatch"), connect(url) as client:
            client.ping()
        lax = f"{url}&ssl_check_hostname=false"
        assert replies(lax) == [b"PONG", b"default"]
        with connect(lax) as client:
            assert client.ping()
