"""The daemon with a token, a feed key and a Redis password: none of them appears in answers, logs or `ps`."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tapewatch.logs import Masker
from tests.own_redis import OwnRedis
from tests.support import Running, free_port
from tests.tls import TlsRedis, certificate

TOKEN, KEY, PASSWORD = "tok3n-of-the-bridge", "k3y/of=the+vendor", "p@ss/word:of redis"
HEADERS = {"Authorization": f"Bearer {TOKEN}"}


def leaks(text: str) -> list[str]:
    """The secrets found in `text`, in any spelling that logs and URLs use."""
    return [secret for secret in (TOKEN, KEY, PASSWORD) if Masker([secret])(text) != text]


def processes(pid: int) -> Iterator[int]:
    yield pid
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text().split():
            yield from processes(int(child))


def titles(pid: int) -> dict[int, str]:
    """What `ps` shows of the process and its children."""
    return {
        each: Path(f"/proc/{each}/cmdline").read_bytes().decode() + Path(f"/proc/{each}/comm").read_text()
        for each in processes(pid)
    }


def raw_exchange(port: int, request: bytes) -> str:
    with socket.create_connection(("127.0.0.1", port), 10) as s:
        s.sendall(request)
        s.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: s.recv(4096), b"")).decode(errors="replace")


def responses(daemon: Running) -> list[str]:
    """The answers to wrong requests, with and without the token, and the daemon's pages about itself."""
    answers = []
    for headers in ({}, HEADERS, {"Authorization": f"Bearer {TOKEN}x"}):
        for path in (
            "/api/v1/candles",
            "/api/v1/nothing",
            "/metrics",
            "/healthz",
            "/readyz",
            "/openapi.json",
            "/api/v1/stats",
        ):
            answers.append(str(daemon.get(path, headers)))
        answers.append(str(daemon.get("/api/v1/candles", headers, symbol="\x00", token="guess")))
    answers.append(raw_exchange(daemon.bridge_port, f"NONSENSE\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode()))
    return answers


@pytest.fixture
def guarded(tmp_path: Path) -> Iterator[tuple[OwnRedis, str]]:
    made, key = certificate(tmp_path)
    with TlsRedis(made, key, "--tls-auth-clients", "no") as server:
        server.client.execute_command("ACL", "SETUSER", "tape", "on", f">{PASSWORD}", "~*", "&*", "+@all")
        yield server, f"rediss://tape:p%40ss%2Fword%3Aof%20redis@{server.address}?ssl_ca_certs={made}"


@pytest.mark.parametrize("log_format", ["json", "human"])
def test_no_secret_gets_out(guarded: tuple[OwnRedis, str], log_format: str) -> None:
    server, url = guarded
    port = free_port()
    with Running("simulate", "--symbols", "5", "--rate", "20", "--port", str(port)) as market, Running(
        "run",
        TAPEWATCH_REDIS_URL=url, TAPEWATCH_TOKEN=TOKEN, MASSIVE_API_KEY=KEY,
        TAPEWATCH_FEED_URL=f"ws://127.0.0.1:{port}/stocks",
        TAPEWATCH_LOG_LEVEL="debug", TAPEWATCH_LOG_FORMAT=log_format,
    ) as daemon:  # fmt: skip
        daemon.ready()
        daemon.wait(lambda: daemon.get("/api/v1/symbols", HEADERS)[1], 30, "symbols")
        shown = titles(daemon.process.pid)
        assert len(shown) >= 3  # run, ingest, bridge
        answers = responses(daemon)
        # Errors are logged: the feed is lost, then Redis.
        market.stop()
        daemon.wait(lambda: "next try in" in daemon.output(), 30, "the feed's loss")
        server.kill()
        daemon.wait(lambda: daemon.get("/api/v1/symbols", HEADERS)[0] == 503, 30, "the store's loss")
        answers += responses(daemon)
        # A client that leaves within its request is a line of the level debug.
        with socket.create_connection(("127.0.0.1", daemon.bridge_port), timeout=10) as client:
            client.sendall(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nab")
        daemon.wait(lambda: "debug" in daemon.output().lower(), 30, "a line that only debug shows")
        daemon.stop()
        spooled = [path for path in (daemon.data_dir / "spool").rglob("*") if path.is_file()]
        output = daemon.output()
    assert not leaks(output)
    assert not leaks("\n".join(answers))
    assert not leaks("\n".join(shown.values()))
    assert any(path.suffix == ".spool" and path.stat().st_size for path in spooled)
    for path in daemon.folder.rglob("*"):
        if path.is_file():
            assert not leaks(path.read_bytes().decode("latin-1")), path
    if log_format == "json":
        lines = [line for line in output.splitlines() if line.startswith("{")]
        assert all(json.loads(line)["level"] for line in lines)
        assert len(lines) > 3


def test_a_refused_password_and_a_wrong_one_stay_unsaid(guarded: tuple[OwnRedis, str]) -> None:
    server, url = guarded
    server.client.execute_command("ACL", "SETUSER", "tape", "resetpass", ">another")
    with Running("bridge", TAPEWATCH_REDIS_URL=url, TAPEWATCH_TOKEN=TOKEN, TAPEWATCH_LOG_LEVEL="debug") as bridge:
        bridge.wait(lambda: bridge.get("/healthz")[0] == 200, 20, "/healthz")
        status, body = bridge.get("/api/v1/symbols", HEADERS)
        assert status == 503
        assert not leaks(str(body))
        bridge.stop()
        assert not leaks(bridge.output())
