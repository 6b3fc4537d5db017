"""Recovery: an emptied Redis is refilled from the spool, a killed ingest process resumes at its watermark."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import Any

from redis import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from tests import tape_reference
from tests.support import Running, free_port, wait_until


def truth(file: Path) -> dict[tuple[str, int], dict[str, Any]]:
    """(symbol, second) -> the last A event that was sent for it."""
    events = (json.loads(line) for line in file.read_text().splitlines())
    return {(e["sym"], e["s"]): e for e in events if e["ev"] == "A" and e["sent"]}


def missing(redis: Redis, file: Path) -> list[tuple[str, int]]:
    expected = truth(file)
    stored: dict[str, dict[int, float]] = {}
    for symbol in {sym for sym, _ in expected}:
        try:
            rows = redis.execute_command("TS.RANGE", keys.series(symbol, "1s", "close"), "-", "+")
        except Exception:
            rows = []
        stored[symbol] = {t: float(v) / 10_000 for t, v in rows}
    return [key for key, e in expected.items() if stored[key[0]].get(key[1]) != e["c"]]


def test_an_emptied_redis_and_a_killed_reader_lose_nothing_that_was_sent(tmp_path: Path) -> None:
    port, truth_file = free_port(), tmp_path / "truth.jsonl"
    with Running(
        "simulate", "--port", str(port), "--symbols", "20", "--rate", "60", "--history", "120", "--truth", str(truth_file)
    ) as market, Running("redis") as server:  # fmt: skip
        server.wait(embedded.socket_path(server.data_dir).exists, 20, "the server's socket")
        feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks"}
        with connect(embedded.url(server.data_dir)) as redis:
            with Running("ingest", data_dir=server.data_dir, **feed) as reader:
                reader.wait(lambda: reader_watermark(redis), 30, "a watermark")
                redis.flushall()
                reader.wait(lambda: "filling it again" in reader.output(), 20, "the discovery")
                reader.wait(lambda: truth_file.exists() and len(missing(redis, truth_file)) < 60, 20, "the refill")
                os.killpg(reader.process.pid, signal.SIGKILL)
                reader.process.wait()
            with Running("ingest", data_dir=server.data_dir, **feed) as reader:
                before = reader_watermark(redis)
                reader.wait(lambda: reader_watermark(redis) > before + 3, 30, "going on")
                market.stop(signal.SIGTERM)
                wait_until(lambda: not missing(redis, truth_file), 20, "every bar that was sent")
                assert reader.stop() == 0
            gaps = {e[b"reason"] for _, e in redis.xrange(keys.gaps("stocks"))}
            assert b"restart" in gaps


def reader_watermark(redis: Redis) -> int:
    found = redis.get(keys.watermark("stocks"))
    return int(found) if isinstance(found, bytes) else 0


def test_trades_killed_in_the_middle_again_and_again_give_the_candles_of_the_tape(data: Path) -> None:
    """All frames are spooled while Redis is down; then ingest is killed at random moments while it processes them."""
    file = data / "us-tape-2018" / "trades.csv.gz"
    expected = {t: c for t, c in tape_reference.candles(file)["1m"].items() if None not in c[:4]}
    port = free_port()
    feed = {"TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks", "TAPEWATCH_SUBSCRIBE": "T.*"}
    with Running("replay", str(file), "--speed", "0", "--port", str(port)) as replay:
        with Running("ingest", **feed) as reader:
            folder = reader.data_dir
            replay.wait(lambda: "replayed all of it" in replay.output(), 30, "the replay")
            wait_until(lambda: settled(folder / "spool"), 20, "the spool")
            os.killpg(reader.process.pid, signal.SIGKILL)
            reader.process.wait()
        with Running("redis", data_dir=folder) as server, connect(embedded.url(folder)) as redis:
            server.wait(embedded.socket_path(folder).exists, 20, "the server's socket")
            for minutes in (50, 300, 700):
                with Running("ingest", data_dir=folder, **feed) as reader:
                    reader.wait(lambda n=minutes: stored(redis) >= n, 30, f"{minutes} minutes")
                    os.killpg(reader.process.pid, signal.SIGKILL)
                    reader.process.wait()
            with Running("ingest", data_dir=folder, **feed) as reader:
                reader.wait(lambda: candle(redis, max(expected)) == expected[max(expected)][3], 60, "the last minute")
                assert reader.stop() == 0
            for t, (o, h, low, c, v, _) in expected.items():
                got = [minute(redis, name, t) for name in ("open", "high", "low", "close")]
                assert [x / 10_000 for x in got] == [o, h, low, c], t
                assert minute(redis, "volume", t) == v, t


def settled(folder: Path) -> bool:
    """Whether nothing was spooled in the last second."""
    files = list(folder.glob("*.spool"))
    return bool(files) and time.time() - max(f.stat().st_mtime for f in files) > 1.0


def stored(redis: Redis) -> int:
    try:
        return int(redis.execute_command("TS.INFO", keys.series("XXX", "1m", "volume"))[1])
    except ResponseError:
        return 0


def minute(redis: Redis, field: str, t: int) -> float:
    rows = redis.execute_command("TS.RANGE", keys.series("XXX", "1m", field), t, t, "LATEST")
    return float(rows[0][1]) if rows else -1.0


def candle(redis: Redis, t: int) -> float:
    try:
        return minute(redis, "close", t) / 10_000
    except ResponseError:
        return -1.0
