"""`store reset` and `redis-cli` on the embedded server, running or not, in a folder whose name a URL would misread."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from redis_functions.write.store_stamp import VENDOR
from tests.support import Running, clean_environ, wait_until


def call(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tapewatch", *words], capture_output=True, text=True, timeout=60,
        env=clean_environ() | {"TAPEWATCH_DATA_DIR": str(folder)}, cwd=folder.parent,
    )  # fmt: skip


@pytest.fixture(params=["plain", "C#", "what?x=1", "a%20b", "100%"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    made = tmp_path / str(request.param)
    made.mkdir()
    return made


def test_a_folder_of_any_name_and_the_way_to_empty_it(folder: Path) -> None:
    data = folder / "d"
    with Running("redis", data_dir=data):
        wait_until(lambda: call(data, "redis-cli", "PING").stdout == "PONG\n", 20, "redis-cli's answer")
        with connect(embedded.url(data)) as client:
            client.hset(keys.STORE, "market", VENDOR)
            client.set("of another", 1)
            client.sadd(keys.watchlist("mine"), "AAPL")
        (data / "spool").mkdir()
        (data / "spool" / "market").write_text("vendor\n")

        refused = call(data, "store", "reset")
        assert (refused.returncode, "--yes" in refused.stderr) == (2, True)
        with connect(embedded.url(data)) as client:
            client.set(keys.metrics("ingest"), "alive")
            assert "ingest is writing" in call(data, "store", "reset", "--yes").stderr
            client.delete(keys.metrics("ingest"))
        assert (data / "spool" / "market").exists()

    # The server is not running any more: it is started for this.
    done = call(data, "store", "reset", "--yes")
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 keys deleted" in done.stdout
    assert not (data / "spool").exists()
    with Running("redis", data_dir=data):
        wait_until(lambda: embedded.socket_path(data).exists(), 20, "the socket")
        wait_until(lambda: call(data, "redis-cli", "PING").stdout == "PONG\n", 20, "redis-cli's answer")
        with connect(embedded.url(data)) as client:
            assert sorted(client.keys("*")) == [b"of another", keys.watchlist("mine").encode()]


def test_a_spool_in_use_is_left_alone(tmp_path: Path) -> None:
    with Running("ingest", data_dir=tmp_path / "d", TAPEWATCH_FEED_URL="ws://127.0.0.1:1/stocks") as ingest:
        ingest.wait(lambda: (tmp_path / "d" / "spool").exists() and any((tmp_path / "d" / "spool").iterdir()), 20)
        wait_until(lambda: "is running on" in call(tmp_path / "d", "store", "reset", "--yes").stderr, 20, "the lock")
