"""The bridge as a real process."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from rest_bridge.server import BEAT_S
from tests.support import Running, write_bars
from tests.tls import TlsRedis, certificate

T0 = 1_760_103_000_000


def up(bridge: Running) -> None:
    bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")


def test_it_answers_and_stops_on_a_signal(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [Bar("AAPL", T0, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1, 1_000_000)])
    redis.set(keys.metrics("ingest"), "")
    for signum in (signal.SIGINT, signal.SIGTERM):
        with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
            bridge.ready(20)
            status, rows = bridge.get("/api/v1/candles", symbol="AAPL", timeframe="1m")
            assert (status, [r["t"] for r in rows]) == (200, [T0])
            # A client that keeps its connection must not hold up the end.
            kept = http.client.HTTPConnection("127.0.0.1", bridge.bridge_port)
            kept.request("GET", "/healthz")
            assert kept.getresponse().read()
            assert bridge.stop(signum, 10) == 0
            kept.close()
            output = bridge.output()
        assert "listening on http://127.0.0.1" in output
        assert "Traceback" not in output
        assert "Warning" not in output


def test_systemd_is_notified_that_it_is_ready_and_that_it_lives(redis_url: str, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(20)
        with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, NOTIFY_SOCKET=str(tmp_path / "notify")) as bridge:
            assert systemd.recv(100) == b"READY=1"
            assert bridge.get("/healthz")[0] == 200
            assert [systemd.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
            os.kill(bridge.process.pid, signal.SIGSTOP)  # it hangs: no sign of life is left over, and none comes
            systemd.settimeout(3 * BEAT_S)
            with pytest.raises(TimeoutError):
                list(iter(lambda: systemd.recv(100), b"never"))
            os.kill(bridge.process.pid, signal.SIGCONT)


def test_a_port_in_use_is_one_clear_line(redis_url: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_BRIDGE_PORT=str(port)) as bridge:
            assert bridge.process.wait(20) == 1
            lines = bridge.output().splitlines()
    assert len(lines) == 1
    assert f"cannot listen on 127.0.0.1:{port}" in lines[0]


def test_everything_is_listened_on_for_both_families(redis_url: str) -> None:
    with Running(
        "bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_BRIDGE_HOST="::", TAPEWATCH_TOKEN="of-this-test-only-1"
    ) as bridge:
        up(bridge)
        for address in ("127.0.0.1", "::1"):
            with socket.create_connection((address, bridge.bridge_port), 10) as s:
                s.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
                assert s.recv(12) == b"HTTP/1.1 200"
        assert f"listening on http://[::]:{bridge.bridge_port}" in bridge.output()


def test_it_starts_without_redis_and_goes_on_when_redis_comes(redis: Redis, redis_url: str) -> None:
    with Running("bridge") as bridge:
        up(bridge)
        status, body = bridge.get("/api/v1/symbols")
        assert (status, body["error"]["code"]) == (503, "store_unavailable")
        assert bridge.get("/readyz")[0] == 503
        redis.sadd(keys.SYMBOLS, "AAPL")
        bridge.data_dir.mkdir(parents=True, exist_ok=True)
        (bridge.data_dir / "redis.sock").symlink_to(redis_url.removeprefix("unix://"))
        bridge.wait(lambda: bridge.get("/api/v1/symbols") == (200, [{"symbol": "AAPL"}]), 10, "the symbols")


def test_what_is_under_way_when_the_end_is_wanted_is_still_answered(redis: Redis, redis_url: str) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL")
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        up(bridge)
        asker = http.client.HTTPConnection("127.0.0.1", bridge.bridge_port, timeout=10)
        asker.request("GET", "/healthz")
        assert asker.getresponse().read()
        redis.client_pause(600)  # every command waits so long, ours too
        asker.request("GET", "/api/v1/symbols")
        assert bridge.get("/healthz")[0] == 200  # so the question before it has been taken up
        assert bridge.stop(signal.SIGTERM, 10) == 0
        reply = asker.getresponse()
        assert (reply.status, reply.getheader("Connection")) == (200, "close")
        assert json.loads(reply.read()) == [{"symbol": "AAPL"}]
        asker.close()


def test_who_does_not_need_redis_is_answered_while_others_wait_for_it(redis: Redis, redis_url: str) -> None:
    redis.sadd(keys.SYMBOLS, "AAPL")
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge, ThreadPoolExecutor(4) as pool:
        up(bridge)
        assert bridge.get("/api/v1/symbols")[0] == 200
        redis.client_pause(1_500)
        asked = [pool.submit(bridge.get, "/api/v1/symbols", limit=n) for n in range(1, 5)]
        answered = 0
        while not any(one.done() for one in asked):
            answered += bridge.get("/healthz") == (200, {"status": "ok"})
        assert answered > 1
        assert [one.result(10) for one in asked] == [(200, [{"symbol": "AAPL"}])] * 4


def test_a_redis_behind_tls(tmp_path: Path) -> None:
    made, key = certificate(tmp_path)
    with TlsRedis(made, key, "--tls-auth-clients", "no") as server:
        write_bars(server.client, [Bar("TLS", T0, 1, 1, 1, 1, 1, 1)])
        url = f"rediss://{server.address}?ssl_ca_certs={made}"
        with Running("bridge", TAPEWATCH_REDIS_URL=url) as bridge:
            up(bridge)
            status, rows = bridge.get("/api/v1/candles", symbol="TLS", timeframe="1s")
            assert (status, [row["t"] for row in rows]) == (200, [T0])
            assert bridge.get("/api/v1/symbols") == (200, [{"symbol": "TLS"}])


def test_a_slow_client_does_not_hold_it_up(redis_url: str) -> None:
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        up(bridge)
        with socket.create_connection(("127.0.0.1", bridge.bridge_port)) as slow:
            slow.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
            assert bridge.get("/healthz") == (200, {"status": "ok"})
            slow.settimeout(10)
            assert slow.recv(1) == b""
        assert "Traceback" not in bridge.output()
        assert "error" not in bridge.output().lower()


def exchange(port: int, raw: bytes) -> tuple[int, bytes]:
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(raw)
        reply = http.client.HTTPResponse(s)
        reply.begin()
        return reply.status, reply.read()


def test_what_is_not_http_is_refused_in_our_words(redis_url: str) -> None:
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        up(bridge)
        port = bridge.bridge_port
        cases = {
            b"GET / HTTP/9.9\r\n\r\n": 400,
            b"\x16\x03\x01\x00\x0d\x0a\x0d\x0a": 400,
            b"GET /api/v1/symbols?q=" + b"A" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n": 414,
            b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 200 + b"\r\n": 431,
            b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n": 431,
            b"PUT /api/v1/candles HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999999\r\n\r\n": 413,
        }
        for raw, expected in cases.items():
            status, body = exchange(port, raw)
            assert status == expected, raw[:40]
            assert json.loads(body)["error"]["message"]
        assert bridge.get("/api/v1/symbols", q="A" * 60)[0] == 200
        assert "Traceback" not in bridge.output()


def answers(port: int, raw: bytes, methods: str) -> list[tuple[int, str | None, bytes]]:
    """Status, `Connection` and body of each answer to what is sent on one connection."""
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(raw)
        stream = s.makefile("rb")
        found = []
        for method in methods.split():
            reply = http.client.HTTPResponse(Shared(stream), method=method)  # type: ignore[arg-type]
            reply.begin()
            found.append((reply.status, reply.getheader("Connection"), reply.read()))
        if found[-1][1] == "close":
            assert stream.read() == b""
        return found


class Shared:
    """A socket whose answers are read one after the other from one stream."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def makefile(self, mode: str) -> Any:
        return _Open(self._stream)


class _Open:
    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def close(self) -> None:
        """The next answer is read from it."""


def test_several_questions_on_a_connection(redis_url: str) -> None:
    ok = b'{"status":"ok"}'
    ask = b"%b /healthz HTTP/1.%d\r\nHost: localhost\r\n%b\r\n"
    get, head, last = ask % (b"GET", 1, b""), ask % (b"HEAD", 1, b""), ask % (b"GET", 1, b"Connection: close\r\n")
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        up(bridge)
        port = bridge.bridge_port
        kept, closed = (200, "keep-alive", ok), (200, "close", ok)
        assert answers(port, get + head + last, "GET HEAD GET") == [kept, (200, "keep-alive", b""), closed]
        assert answers(port, last + get, "GET") == [closed]
        assert answers(port, ask % (b"GET", 0, b""), "GET") == [closed]
        with_body = ask % (b"GET", 1, b"Content-Length: 3\r\n") + b"abc"
        assert answers(port, with_body + get, "GET GET") == [kept, kept]
        assert answers(port, ask % (b"GET", 1, b"Upgrade: h2c\r\nConnection: upgrade\r\n"), "GET") == [closed]
