"""What breaks comes back by itself: an emptied Redis is filled again from the spool, a killed reader goes on where it was."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

from redis import Redis

from redis_functions import embedded, keys
from redis_functions.connection import connect
from tests.support import Running, free_port, wait_until


def truth(file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """(symbol, second) -> the last A event of it that was sent."""
    events = (json.loads(line) for line in file.read_text().splitlines())
    return {(e["sym"], e["s"]): e for e in events if e["ev"] == "A" and e["sent"]}


def missing(redis: Redis, file: Path) -> list[tuple[str, int]]:
    wanted = truth(file)
    held: dict[str, dict[int, float]] = {}
    for symbol in {sym for sym, _ in wanted}:
        try:
            rows = redis.execute_command("TS.RANGE", keys.series(symbol, "1s", "close"), "-", "+")
        except Exception:
            rows = []
        held[symbol] = {t: float(v) / 10_000 for t, v in rows}
    return [key for key, e in wanted.items() if held[key[0]].get(key[1]) != e["c"]]


def test_an_emptied_redis_and_a_killed_reader_lose_nothing_that_was_sent(tmp_path: Path) -> None:
    port, told = free_port(), tmp_path / "truth.jsonl"
    with Running(
        "simulate", "--port", str(port), "--symbols", "20", "--rate", "60", "--history", "120", "--truth", str(told)
    ) as market, Running("redis") as server:  # fmt: skip
        server.wait(embedded.socket_path(server.data_dir).exists, 20, "the server's socket")
        feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks"}
        with connect(embedded.url(server.data_dir)) as redis:
            with Running("ingest", data_dir=server.data_dir, **feed) as reader:
                reader.wait(lambda: reader_watermark(redis), 30, "a watermark")
                redis.flushall()
                reader.wait(lambda: "filling it again" in reader.output(), 20, "the discovery")
                reader.wait(lambda: told.exists() and len(missing(redis, told)) < 60, 20, "the refill")
                os.killpg(reader.process.pid, signal.SIGKILL)
                reader.process.wait()
            with Running("ingest", data_dir=server.data_dir, **feed) as reader:
                before = reader_watermark(redis)
                reader.wait(lambda: reader_watermark(redis) > before + 3, 30, "going on")
                market.stop(signal.SIGTERM)
                wait_until(lambda: not missing(redis, told), 20, "every bar that was sent")
                assert reader.stop() == 0
            gaps = {e[b"reason"] for _, e in redis.xrange(keys.gaps("stocks"))}
            assert b"restart" in gaps


def reader_watermark(redis: Redis) -> int:
    found = redis.get(keys.watermark("stocks"))
    return int(found) if isinstance(found, bytes) else 0
