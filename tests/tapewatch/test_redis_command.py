"""`tapewatch redis` as a real process: it serves, keeps its data over a crash, and stops on signals."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from redis.exceptions import RedisError

from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tapewatch.commands.redis import maxmemory_mb
from tapewatch.settings import SMALL_MAXMEMORY_MB, Settings
from tests.support import Running, wait_until


def answers(folder: Path) -> bool:
    with connect(embedded.url(folder), timeout=1) as client:
        try:
            return bool(client.ping())
        except RedisError:
            return False


def call(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapewatch", "redis", *words],
        env=os.environ | {"TAPEWATCH_DATA_DIR": str(folder)} | env,
        capture_output=True, text=True, timeout=30,
    )  # fmt: skip


def test_it_serves_the_module_on_its_socket_only_and_stops_on_ctrl_c() -> None:
    with Running("redis", TAPEWATCH_PROFILE="small") as server:
        assert call(server.data_dir, "--wait", "20").returncode == 0
        with connect(embedded.url(server.data_dir)) as client:
            assert client.execute_command("TS.ADD", "ts:stats:symbols", 1, 2) == 1
            config = client.config_get("*")
            assert config["maxmemory"] == str(SMALL_MAXMEMORY_MB * 1024 * 1024)
            assert (config["port"], config["appendonly"], config["maxmemory-policy"]) == ("0", "yes", "noeviction")
            assert client.info("server")["process_id"] == server.process.pid
        assert embedded.socket_path(server.data_dir).stat().st_mode & 0o077 == 0
        assert server.stop(signal.SIGINT) == 0


def test_a_killed_server_leaves_nothing_in_the_way_and_no_data_is_lost() -> None:
    with Running("redis") as first:
        wait_until(lambda: answers(first.data_dir))
        with connect(embedded.url(first.data_dir)) as client:
            client.execute_command("TS.ADD", "ts:stats:symbols", 1, 42)
        first.process.kill()
        first.process.wait()
        assert embedded.socket_path(first.data_dir).exists()
        with Running("redis", data_dir=first.data_dir) as second:
            wait_until(lambda: answers(second.data_dir))
            with connect(embedded.url(second.data_dir)) as client:
                assert client.execute_command("TS.GET", "ts:stats:symbols") == [1, b"42"]
            assert second.stop(signal.SIGTERM) == 0


def test_a_second_server_on_the_same_folder_is_refused() -> None:
    with Running("redis") as first:
        wait_until(lambda: answers(first.data_dir))
        done = call(first.data_dir)
        assert done.returncode == 1
        assert done.stderr == f"tapewatch: another Redis is running in {first.data_dir} already\n"
        assert answers(first.data_dir)


def test_a_folder_too_deep_for_a_socket_is_told_once_and_for_all(tmp_path: Path) -> None:
    done = call(tmp_path / ("deep" * 30))
    assert done.returncode == 78
    assert done.stderr.startswith("tapewatch: the path of the socket ")
    assert len(done.stderr.splitlines()) == 1


def test_wait_gives_up(tmp_path: Path) -> None:
    done = call(tmp_path, "--wait", "0.1")
    assert done.returncode == 1
    assert "Redis does not answer within 0.1 s" in done.stderr


def test_wait_gives_up_at_once_when_the_server_is_gone(tmp_path: Path) -> None:
    gone = subprocess.Popen(["true"])
    gone.wait()
    done = call(tmp_path, "--wait", "1000", "--pid", str(gone.pid))
    assert done.returncode == 1
    assert "ended before it answered" in done.stderr


def test_wanted(tmp_path: Path) -> None:
    assert call(tmp_path, "--needed").returncode == 0
    done = call(tmp_path, "--needed", TAPEWATCH_REDIS_URL="redis://localhost:6379")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)


def test_the_memory_limit() -> None:
    assert maxmemory_mb(Settings(), 4096) == 2048
    assert 0 < maxmemory_mb(Settings()) < 1 << 24
    assert maxmemory_mb(Settings(profile="small")) == SMALL_MAXMEMORY_MB
    assert maxmemory_mb(Settings(profile="small", redis_maxmemory_mb=100)) == 100
