"""What clients cannot do to the server: take its connections, its memory, or the others' time."""

from __future__ import annotations

import contextlib
import http.client
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from redis import Redis

from tests.support import Running, free_port, wait_until

SERVE = """
import sys
from rest_bridge import server
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig, Limits
limits = Limits(request_s=1.0, answer_s=1.0, connections=10, connections_per_address=10, keep_alive_s=1)
server.serve(lambda: create_app(BridgeConfig(sys.argv[1], limits=limits)), "127.0.0.1", int(sys.argv[2]), limits)
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


def test_a_client_that_sends_drop_by_drop_is_given_up(port: int) -> None:
    """Each part arrives within the timeout of the socket; all of them take longer than a request may."""
    with socket.create_connection(("127.0.0.1", port), 10) as dripping:
        dripping.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")

        wait_until(lambda: ended(dripping), 10, "the end of the connection", every=0.05)
    assert healthy(port)


def test_connections_that_ask_nothing_hold_nobody_up(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(6):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert healthy(port)


def test_more_connections_than_it_takes_shut_nobody_out(port: int) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(40):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        assert healthy(port)


@pytest.mark.parametrize("head", ["Transfer-Encoding: chunked", "Content-Length: 9000000000"])
def test_a_body_without_end_is_not_taken(port: int, head: str) -> None:
    """The error comes before the body, which is not read."""
    with socket.create_connection(("127.0.0.1", port), 30) as sender:
        sender.sendall(f"POST /api/v1/symbols HTTP/1.1\r\nHost: localhost\r\n{head}\r\n\r\n".encode())
        chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
        with contextlib.suppress(OSError):
            for _ in range(100_000):  # 6.5 GB, were it taken
                sender.sendall(chunk)
            raise AssertionError("it took everything")
    assert healthy(port)


def test_a_body_that_comes_drop_by_drop_is_given_up(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as slow:
        slow.sendall(b"PUT /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 60000\r\n\r\n")
        wait_until(lambda: ended(slow), 10, "the end of the connection", every=0.05)
    assert healthy(port)


def ended(sock: socket.socket) -> bool:
    """Sends a byte; whether the other side has ended the connection."""
    try:
        sock.sendall(b"a")
        sock.settimeout(0.1)
        return sock.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def test_pipelined_requests_are_answered_in_order_and_starve_nobody(port: int) -> None:
    """64 KiB of requests in one piece: each of the others' has its turn in between, not after all of them."""
    ask = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    count = (1 << 16) // len(ask)
    with socket.create_connection(("127.0.0.1", port), 30) as greedy, ThreadPoolExecutor(1) as pool:
        greedy.sendall(ask * count + b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answers = pool.submit(everything, greedy)
        times = 0
        while not answers.done():
            assert healthy(port)
            times += 1
        assert times > 5
        raw = answers.result()
    assert raw.count(b"HTTP/1.1 200 OK\r\n") == count + 1
    assert raw.rindex(b"Content-Type: application/json") > raw.rindex(b"Content-Type: text/html")


def everything(sock: socket.socket) -> bytes:
    return b"".join(iter(lambda: sock.recv(1 << 16), b""))


def test_a_client_that_does_not_read_is_given_up(port: int) -> None:
    ask = b"GET /docs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.connect(("127.0.0.1", port))
        deaf.settimeout(10)
        with pytest.raises(OSError, match=r"reset|Broken pipe"):
            deaf.sendall(ask * 1_000_000)
    assert healthy(port)


def test_an_idle_connection_is_closed_when_it_was_announced(port: int) -> None:
    with socket.create_connection(("127.0.0.1", port), 10) as idle:
        idle.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        raw = everything(idle)
    assert b"\r\nKeep-Alive: timeout=1\r\n" in raw


def test_a_client_that_asks_too_often_gets_429(redis_url: str) -> None:
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_RATE_LIMIT="3") as bridge:
        bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")
        statuses = [bridge.get("/openapi.json")[0] for _ in range(30)]
        assert statuses[0] == 200
        assert 429 in statuses
        assert bridge.get("/healthz")[0] == 200


def test_nothing_is_made_for_clients_that_vanish(redis: Redis, redis_url: str) -> None:
    """Twenty at once, more than there are places at work; the store does not answer meanwhile."""
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")
        redis.client_pause(1_000)
        for i in range(20):
            with socket.create_connection(("127.0.0.1", bridge.bridge_port), 10) as gone:
                gone.sendall(f"GET /api/v1/candles?symbol=S{i} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        began = time.monotonic()
        assert bridge.get("/healthz") == (200, {"status": "ok"})
        assert time.monotonic() - began < 0.9  # the pause is not over
        made = re.compile(r'path="/api/v1/candles",process="bridge",status="(\d+)"} (\d+)')

        def counted() -> dict[str, int]:
            return {status: int(count) for status, count in made.findall(str(bridge.get("/metrics")[1]))}

        bridge.wait(lambda: sum(counted().values()) == 20, 10, "an end of all twenty")
        # A third of the eight places stayed free for others; for who did not get a place nothing was read.
        assert counted()["503"] >= 14


def test_one_address_cannot_have_all_connections(redis_url: str) -> None:
    """Many that drip, from one address: those of another are served, and so is one more of the same."""
    with (
        Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_BRIDGE_CONNECTIONS_PER_ADDRESS="5") as bridge,
        contextlib.ExitStack() as stack,
    ):
        bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")
        slow = [
            stack.enter_context(socket.create_connection(("127.0.0.1", bridge.bridge_port), 10, ("127.0.0.9", 0)))
            for _ in range(12)
        ]
        for one in slow:
            with contextlib.suppress(OSError):
                one.sendall(b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        assert bridge.get("/healthz")[0] == 200
        wait_until(lambda: sum(map(ended, slow[:7])) == 7, 10, "the end of the oldest")
        assert not any(ended(one) for one in slow[7:])
