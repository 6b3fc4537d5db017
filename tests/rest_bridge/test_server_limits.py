"""What clients cannot do to the server: take its connections, its memory, or the others' time."""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support import Running, free_port, wait_until

SERVE = """
import sys
from rest_bridge import server
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
server.REQUEST_S, server.MAX_CONNECTIONS, server.KEEP_ALIVE_S = 1.0, 10, 1
server.serve(lambda: create_app(BridgeConfig(sys.argv[1])), "127.0.0.1", int(sys.argv[2]))
"""


def healthy(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    with contextlib.closing(connection):
        try:
            connection.request("GET", "/healthz", headers={"Connection": "close"})
            return connection.getresponse().status == 200
        except OSError:
            return False


@pytest.fixture
def port(redis_url: str) -> Iterator[int]:
    """Of a server with ten connections and little patience."""
    found = free_port()
    process = subprocess.Popen([sys.executable, "-c", SERVE, redis_url, str(found)])
    try:
        wait_until(lambda: healthy(found), 20, "the server")
        yield found
    finally:
        process.terminate()
        process.wait(10)


def test_a_client_that_sends_drop_by_drop_is_shown_the_door(port: int) -> None:
    """Each drop comes in time for the socket's own limit; all of them together do not."""
    with socket.create_connection(("127.0.0.1", port), 10) as dripping:
        dripping.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")

        def gone() -> bool:
            try:
                dripping.sendall(b"a")
                dripping.settimeout(0.1)
                return dripping.recv(1) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        wait_until(gone, 10, "the end of the connection", every=0.05)
    assert healthy(port)


def test_connections_that_say_nothing_hold_nobody_up(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert healthy(port)


def test_more_connections_than_it_takes_wait_their_turn(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert healthy(port)


def test_a_body_without_end_is_not_taken(port: int) -> None:
    """Nothing here takes a body: one that comes in chunks, its length untold, is answered and the connection ended."""
    with socket.create_connection(("127.0.0.1", port), 30) as sender:
        sender.sendall(b"POST /api/v1/symbols HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(100_000):  # 6.5 GB, were it taken
                sender.sendall(chunk)
            raise AssertionError("it took everything")
    assert healthy(port)


def test_a_client_that_asks_too_often_is_told(redis_url: str) -> None:
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_RATE_LIMIT="3") as bridge:
        bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")
        statuses = [bridge.get("/openapi.json")[0] for _ in range(30)]
        assert statuses[0] == 200
        assert 429 in statuses
        assert bridge.get("/healthz")[0] == 200
