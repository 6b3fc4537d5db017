"""The bare connection: replies in order, errors as items, passwords, and connections that end."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from redis_functions.contract.resp import encode
from redis_functions.write.wire import Wire, WireLost
from tests.own_redis import OwnRedis
from tests.support import free_port

PING = encode(["PING"])


def on_wire(url: str, work: Callable[[Wire], Awaitable[None]]) -> None:
    async def main() -> None:
        wire = await Wire.open(url)
        try:
            await work(wire)
        finally:
            wire.close()
            # TLS takes leave of the server first; a transport that the loop's end cuts off would warn in a later test.
            async with asyncio.timeout(5):
                while wire._transport is not None:
                    await asyncio.sleep(0.001)

    asyncio.run(main())


@pytest.fixture(scope="module")
def guarded() -> Iterator[OwnRedis]:
    with OwnRedis("--port", "0") as server:
        server.client.execute_command("ACL", "SETUSER", "writer", "on", ">p@ss/word", "~*", "&*", "+@all")
        server.client.execute_command("ACL", "SETUSER", "default", "-@all", "+ping", "+auth", "+hello")
        yield server


def test_replies_come_in_order_and_errors_are_items(redis_url: str) -> None:
    async def work(wire: Wire) -> None:
        first = wire.send(PING + encode(["GET"]), 2)
        second = wire.send(encode(["ECHO", "two"]), 1)
        (echo,) = await second
        pong, error = await first
        assert (pong, echo) == (b"PONG", b"two")
        assert "wrong number of arguments" in str(error)
        assert isinstance(error, Exception)

    on_wire(redis_url, work)


def test_replies_that_arrive_in_pieces_are_put_together(redis_url: str) -> None:
    async def work(wire: Wire) -> None:
        text = "x" * 3_000_000
        futures = [wire.send(encode(["ECHO", text]) + PING, 2) for _ in range(3)]
        for future in futures:
            assert await future == [text.encode(), b"PONG"]
        await wire.drain()

    on_wire(redis_url, work)


def test_a_user_and_password_are_used(guarded: OwnRedis) -> None:
    async def work(wire: Wire) -> None:
        assert await wire.send(encode(["ACL", "WHOAMI"]), 1) == [b"writer"]

    on_wire(guarded.url.replace("unix://", "unix://writer:p%40ss%2Fword@"), work)


def test_a_refused_password_is_one_clear_error_that_does_not_quote_it(guarded: OwnRedis) -> None:
    with pytest.raises(WireLost, match="refuses the password") as error:
        on_wire(guarded.url.replace("unix://", "unix://writer:wrong-secret@"), lambda wire: asyncio.sleep(0))
    assert "wrong-secret" not in str(error.value)


def test_nobody_there_is_an_os_error() -> None:
    with pytest.raises(OSError, match=r"refused|No such file"):
        on_wire("unix:///nonexistent/redis.sock", lambda wire: asyncio.sleep(0))


def test_a_connection_that_ends_fails_what_waits_and_what_comes_after() -> None:
    with OwnRedis() as server:

        async def work(wire: Wire) -> None:
            assert await wire.send(PING, 1) == [b"PONG"]
            waiting = wire.send(encode(["BLPOP", "never", "0"]), 1)
            server.kill()
            with pytest.raises(WireLost):
                await waiting
            with pytest.raises(WireLost):
                await wire.send(PING, 1)
            await wire.drain()

        on_wire(server.url, work)


def test_a_server_that_never_answers_the_password_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("redis_functions.write.wire.CONNECT_TIMEOUT_S", 0.2)

    async def main() -> None:
        ended = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while await reader.read(100):
                pass
            ended.set()
            writer.close()

        async with await asyncio.start_server(silent, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            with pytest.raises(TimeoutError):
                await Wire.open(f"redis://:secret@127.0.0.1:{port}")
            async with asyncio.timeout(5):
                await ended.wait()  # no connection is left behind

    asyncio.run(main())


def test_a_tls_server_is_reached_with_its_certificate_and_refused_without(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl here to make a certificate with")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-keyout", key, "-out", certificate, "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    port = free_port()
    options = ("--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key))

    async def work(wire: Wire) -> None:
        assert await wire.send(PING, 1) == [b"PONG"]

    with OwnRedis(*options, "--tls-auth-clients", "no"):
        on_wire(f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificate}", work)
        on_wire(f"rediss://127.0.0.1:{port}?ssl_cert_reqs=none", work)
        with pytest.raises(ssl.SSLError, match="certificate verify failed"):
            on_wire(f"rediss://127.0.0.1:{port}", work)
