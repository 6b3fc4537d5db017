"""Backup and restore as docs/operations.md describes them, with a real Redis: a copy of the stopped folder, and of a live one."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

from redis import Redis

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests.support import Running, free_port, wait_until

#: A socket is no file to copy.
_NO_SOCKET = shutil.ignore_patterns("*.sock")


def closes(redis: Redis) -> dict[str, list[tuple[int, bytes]]]:
    """Symbol -> its second closes."""
    found = {}
    for name in sorted(symbol.decode() for symbol in redis.smembers(keys.SYMBOLS)):
        rows = redis.execute_command("TS.RANGE", keys.series(name, "1s", "close"), "-", "+")
        found[name] = [(int(t), value) for t, value in rows]
    return found


def restored(folder: Path) -> dict[str, list[tuple[int, bytes]]]:
    """The closes that a server on the restored folder has."""
    with Running("redis", data_dir=folder) as server:
        server.wait(embedded.socket_path(folder).exists, 30, "the server's socket")
        with connect(embedded.url(folder)) as redis:
            server.wait(lambda: not redis.info("persistence")["loading"], 30, "the file to be read")
            return closes(redis)


def test_a_copy_of_the_folder_is_the_whole_store(tmp_path: Path) -> None:
    port = free_port()
    words = ("simulate", "--port", str(port), "--symbols", "10", "--rate", "20", "--history", "60")
    with Running(*words) as market, Running("redis") as server:
        server.wait(embedded.socket_path(server.data_dir).exists, 30, "the server's socket")
        feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks", "TAPEWATCH_ALWAYS_OPEN": "true"}
        with connect(embedded.url(server.data_dir)) as redis, Running(
            "ingest", data_dir=server.data_dir, **feed
        ) as ingest:  # fmt: skip
            ingest.wait(lambda: len(closes(redis)) == 10, 30, "bars of all symbols")
            # At work: what a snapshot of the file system holds, cut at any byte.
            before = closes(redis)
            wait_until(lambda: redis.info("persistence")["aof_pending_bio_fsync"] == 0, 5, "the file on disk")
            shutil.copytree(server.data_dir, tmp_path / "live", ignore=_NO_SOCKET)
            market.stop(signal.SIGTERM)
            assert ingest.stop() == 0
            after = closes(redis)
        server.stop(signal.SIGTERM)
        shutil.copytree(server.data_dir, tmp_path / "stopped", ignore=_NO_SOCKET)
    assert restored(tmp_path / "stopped") == after
    live = restored(tmp_path / "live")
    assert live.keys() == before.keys()
    # `everysec`: the last second may be missing in Redis; the spool beside it has it.
    for name, rows in before.items():
        assert set(rows[:-2]) <= set(live[name])


def test_what_a_restored_redis_lacks_comes_from_the_spool(tmp_path: Path) -> None:
    """A Redis that is older than its spool is brought forward, without the feed."""
    port = free_port()
    words = ("simulate", "--port", str(port), "--symbols", "5", "--rate", "10", "--history", "30")
    with Running(*words) as market, Running("redis") as server:
        server.wait(embedded.socket_path(server.data_dir).exists, 30, "the server's socket")
        feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks", "TAPEWATCH_ALWAYS_OPEN": "true"}
        with connect(embedded.url(server.data_dir)) as redis:
            with Running("ingest", data_dir=server.data_dir, **feed) as ingest:
                ingest.wait(lambda: len(closes(redis)) == 5, 30, "bars of all symbols")
                shutil.copytree(server.data_dir / "redis", tmp_path / "d" / "redis", ignore=_NO_SOCKET)
                seen = {name: len(rows) for name, rows in closes(redis).items()}
                more = lambda: all(len(rows) > seen[name] + 2 for name, rows in closes(redis).items())  # noqa: E731
                ingest.wait(more, 60, "bars after the copy")
                market.stop(signal.SIGTERM)
                assert ingest.stop() == 0
            after = closes(redis)
        shutil.copytree(server.data_dir / "spool", tmp_path / "d" / "spool")
    folder = tmp_path / "d"
    folder.chmod(0o700)
    with Running("redis", data_dir=folder) as server:
        server.wait(embedded.socket_path(folder).exists, 30, "the server's socket")
        with connect(embedded.url(folder)) as redis, Running("ingest", data_dir=folder, **feed) as ingest:
            ingest.wait(lambda: closes(redis) == after, 30, "all bars of the spool")
