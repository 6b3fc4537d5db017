"""The bridge as a real process under gunicorn."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
from pathlib import Path

from redis import Redis

from market.bar import Bar
from redis_functions import keys
from tests.support import Running, wait_until, write_bars

T0 = 1_760_103_000_000


def up(bridge: Running) -> None:
    bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_it_answers_and_stops_on_a_signal(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [Bar("AAPL", T0, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 1, 1_000_000)])
    redis.set(keys.metrics("ingest"), "")
    for signum in (signal.SIGINT, signal.SIGTERM):
        with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
            bridge.ready(20)
            status, rows = bridge.get("/api/v1/candles", symbol="AAPL", timeframe="1m")
            assert (status, [r["t"] for r in rows]) == (200, [T0])
            everybody = [bridge.process.pid, *children(bridge.process.pid)]
            assert len(everybody) == 2
            # A client that keeps its connection must not hold up the end.
            kept = http.client.HTTPConnection("127.0.0.1", bridge.bridge_port)
            kept.request("GET", "/healthz")
            assert kept.getresponse().read()
            assert bridge.stop(signum, 10) == 0
            assert not [pid for pid in everybody if alive(pid)]
            kept.close()
            output = bridge.output()
        assert "listening on http://127.0.0.1" in output
        assert "Traceback" not in output
        assert "gunicorn" not in output


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


def test_the_worker_dies_with_its_master_and_is_replaced_when_it_dies(redis_url: str) -> None:
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url) as bridge:
        up(bridge)
        (worker,) = children(bridge.process.pid)
        os.kill(worker, signal.SIGKILL)
        bridge.wait(lambda: children(bridge.process.pid) not in ([worker], []), 10, "another worker")
        up(bridge)
        (worker,) = children(bridge.process.pid)
        bridge.process.kill()
        wait_until(lambda: not alive(worker), 10, "the worker's end")


def test_clients_that_dawdle_do_not_hold_it_up(redis_url: str) -> None:
    """Half a request on every thread: others are answered once the dawdlers' time is up."""
    with Running("bridge", TAPEWATCH_REDIS_URL=redis_url, TAPEWATCH_BRIDGE_THREADS="1") as bridge:
        up(bridge)
        with socket.create_connection(("127.0.0.1", bridge.bridge_port)) as dawdler:
            dawdler.sendall(b"GET /healthz HTTP/1.1\r\nHost:")
            assert bridge.get("/healthz") == (200, {"status": "ok"})
            dawdler.settimeout(10)
            assert dawdler.recv(1) == b""
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
            b"GET /api/v1/symbols?q=" + b"A" * 9000 + b" HTTP/1.1\r\nHost: x\r\n\r\n": 414,
            b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X-A: b\r\n" * 200 + b"\r\n": 431,
            b"GET / HTTP/1.1\r\nHost: x\r\nX-A: " + b"b" * 70_000 + b"\r\n\r\n": 431,
            b"PUT /api/v1/candles HTTP/1.1\r\nHost: x\r\nContent-Length: 999999999\r\n\r\n": 413,
        }
        for raw, expected in cases.items():
            status, body = exchange(port, raw)
            assert status == expected, raw[:40]
            assert json.loads(body)["error"]["message"]
        assert bridge.get("/api/v1/symbols", q="A" * 60)[0] == 200
        assert "Traceback" not in bridge.output()
