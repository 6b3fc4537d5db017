"""Rewrites of the append-only file amid the stream: writes are held meanwhile, and nothing is lost, late for good, or a gap."""

from __future__ import annotations

import os
import signal
import socket
import time
from pathlib import Path

from redis_functions.contract import keys
from redis_functions.read.statistics import read_newest_stats
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests.end_to_end.test_crashes import missing
from tests.fake_vendor import KEY, VendorThread, second_bar
from tests.own_redis import OwnRedis
from tests.support import Running, free_port, wait_until


def test_rewrites_while_the_market_is_open_make_no_gap(tmp_path: Path) -> None:
    port, truth = free_port(), tmp_path / "truth.jsonl"
    words = [
        "simulate",
        "--port",
        str(port),
        "--symbols",
        "50",
        "--rate",
        "400",
        "--history",
        "60",
        "--truth",
        str(truth),
    ]
    small = {"TAPEWATCH_PROFILE": "small", "TAPEWATCH_REDIS_AOF_MB": "1", "TAPEWATCH_ALWAYS_OPEN": "true"}
    with Running(*words) as market, Running("redis", **small) as server:
        server.wait(embedded.socket_path(server.data_dir).exists, 30, "the server's socket")
        with connect(embedded.url(server.data_dir)) as redis:
            redis.config_set("rdb-key-save-delay", 500)  # microseconds a key: a child lives for a second
            feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks"}
            with Running("ingest", data_dir=server.data_dir, **feed, **small) as ingest:
                ingest.wait(lambda: ingest.output().count("append-only file rewritten in") >= 2, 60, "two rewrites")
                assert "bars wait meanwhile" in ingest.output()
                market.stop(signal.SIGTERM)
                wait_until(lambda: not missing(redis, truth), 20, "every bar that was sent")
                wait_until(lambda: read_newest_stats(redis)[1]["waiting_bars"] == 0, 10, "nothing waits")
                reasons = {entry[b"reason"] for _, entry in redis.xrange(keys.gaps("stocks"))}
                # What was before the first start, and the market's own end: none is of a rewrite.
                assert not [r for r in reasons if not any(w in r for w in (b"lost", b"closed", b"not running"))], (
                    reasons
                )
                assert redis.info("persistence")["aof_current_size"] < 20 << 20
                assert ingest.stop() == 0


def test_the_watchdog_hears_a_living_loop_while_redis_hangs(tmp_path: Path) -> None:
    """systemd would kill an ingest that gives no sign of life: waiting for Redis is none of that."""
    beats = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    beats.bind(str(tmp_path / "notify"))
    beats.settimeout(20)

    def until(word: bytes, most: int) -> int:
        """How many messages came until one with `word`."""
        for number in range(most):
            if word in beats.recv(4096):
                return number
        raise AssertionError(f"{word!r} is not among {most} messages")

    with beats, OwnRedis() as store, VendorThread() as vendor:
        more = {"TAPEWATCH_REDIS_URL": store.url, "TAPEWATCH_FEED_URL": vendor.vendor.url, "MASSIVE_API_KEY": KEY}
        with Running("ingest", NOTIFY_SOCKET=str(tmp_path / "notify"), **more) as ingest:
            until(b"READY=1", 200)
            ingest.wait(lambda: vendor.vendor.open, 30, "the subscription")
            server = int(store.client.info("server")["process_id"])
            os.kill(server, signal.SIGSTOP)
            vendor.send([second_bar("A", int(time.time()) * 1000 - 1000)])
            began = time.monotonic()
            for _ in range(8):
                until(b"WATCHDOG=1", 5)
            assert time.monotonic() - began < 20
            assert ingest.process.poll() is None
            os.kill(server, signal.SIGCONT)
