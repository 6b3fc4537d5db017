"""The embedded server's command line, and the errors where it cannot run."""

from __future__ import annotations

import platform
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from redis import Redis

from redis_functions.server import embedded
from redis_functions.server.address import Address
from redis_functions.server.embedded import CannotServe
from tests.own_redis import OwnRedis
from tests.support import wait_until


def test_the_server_is_what_the_store_needs(redis: Redis) -> None:
    (module,) = redis.info("modules")["modules"]
    assert module["name"] == "timeseries"
    assert module["ver"] >= 11000
    config = redis.config_get("*")
    expected = {
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "databases": "1",
        "maxmemory-policy": "noeviction",
        "io-threads": "1",
        "port": "0",
        "unixsocketperm": "700",
        "client-query-buffer-limit": str(64 << 20),
        "maxmemory-clients": str(400 << 20),
        "client-output-buffer-limit": (
            f"normal {256 << 20} {128 << 20} 60 slave {256 << 20} {64 << 20} 60 pubsub {32 << 20} {8 << 20} 60"
        ),
    }
    assert {name: config[name] for name in expected} == expected


def test_a_request_without_end_is_cut_off(redis: Redis, redis_url: str) -> None:
    """A client that announces much and sends it holds no more than its buffer may have."""
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(redis_url.removeprefix("unix://"))
        client.settimeout(30)
        client.sendall(b"*1000\r\n$500000000\r\n")
        with pytest.raises(OSError, match=r"Broken pipe|reset"):
            client.sendall(b"x" * (400 << 20))
    assert redis.ping()


def test_its_binaries_are_made_once() -> None:
    first = embedded.binaries()
    stamps = [path.stat().st_mtime_ns for path in first]
    assert embedded.binaries() == first
    assert [path.stat().st_mtime_ns for path in first] == stamps


def test_starting_twice_at_once_makes_whole_binaries(tmp_path: Path) -> None:
    """Several processes with an empty cache: each gets binaries that run."""
    code = "from redis_functions.server.embedded import binaries; print(binaries()[0])"
    environ = {"XDG_CACHE_HOME": str(tmp_path), "PATH": "/usr/bin:/bin:/usr/sbin:/sbin"}
    racers = [
        subprocess.Popen([sys.executable, "-c", code], env=environ, stdout=subprocess.PIPE, text=True) for _ in range(3)
    ]
    for racer in racers:
        server = racer.communicate(timeout=60)[0].strip()
        assert racer.returncode == 0
        assert "v=7.4" in subprocess.run([server, "--version"], capture_output=True, text=True, timeout=10).stdout


def test_the_memory_limit_is_passed_on(tmp_path: Path) -> None:
    words = embedded.command(tmp_path, maxmemory_mb=650)
    assert words[words.index("--maxmemory") + 1] == "650mb"
    assert "--maxmemory" not in embedded.command(tmp_path)


def test_a_relative_folder_gives_an_absolute_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert embedded.url(Path("d")) == f"unix://{tmp_path}/d/redis.sock"


@pytest.mark.skipif(sys.platform != "linux", reason="the error on Linux on ARM")
def test_another_processor_gets_the_alternatives(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "machine", lambda: "aarch64")
    with pytest.raises(CannotServe, match=r"aarch64: set TAPEWATCH_REDIS_URL .* redis:8") as refused:
        embedded.binaries()
    assert "\n" not in str(refused.value)


def test_a_socket_path_that_is_too_long(tmp_path: Path) -> None:
    longest = embedded.SOCKET_PATH_BYTES - len(str(tmp_path)) - len("//redis.sock")
    assert embedded.command(tmp_path / ("d" * longest))
    with pytest.raises(CannotServe, match="longer than 107 bytes"):
        embedded.command(tmp_path / ("d" * (longest + 1)))


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(CannotServe, match=r"cannot make the data folder .*TAPEWATCH_DATA_DIR"):
        embedded.command(tmp_path / "file")


def test_a_changed_wheel_is_not_relinked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setitem(embedded.HASHES, "redistimeseries.so", "0" * 64)
    with pytest.raises(CannotServe, match=r"redistimeseries\.so has SHA-256 b97aee88.*reinstall"):
        embedded.binaries()
    assert list(tmp_path.rglob("redis-server")) == []


@pytest.mark.parametrize("which", ["folder", "server"])
def test_what_others_may_write_is_not_executed(which: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    server, _ = embedded.binaries()
    assert server.parent.stat().st_mode & 0o077 == 0
    (server.parent if which == "folder" else server).chmod(0o777)
    with pytest.raises(CannotServe, match=r"mode 777.*made again"):
        embedded.binaries()


def test_what_a_url_would_misread_is_encoded(tmp_path: Path) -> None:
    folder = tmp_path / "a b" / "C#?%20"
    assert Address.parse(embedded.url(folder)).path == str(folder / "redis.sock")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these scores")
def test_the_rewriting_child_is_the_first_that_the_kernel_kills() -> None:
    with OwnRedis() as own:
        own.client.mset({f"key:{i}": "x" for i in range(200)})
        own.client.config_set("rdb-key-save-delay", 20_000)  # microseconds a key: the child lives for four seconds
        own.client.bgrewriteaof()
        server = int(own.client.info("server")["process_id"])

        def children() -> list[str]:
            return Path(f"/proc/{server}/task/{server}/children").read_text().split()

        (child,) = wait_until(children, 5, "the child")
        score = lambda pid: int(Path(f"/proc/{pid}/oom_score_adj").read_text())  # noqa: E731
        wait_until(lambda: score(child) == min(1000, score(server) + 1800), 5, "the child's score")
        assert score(server) == score("self")
