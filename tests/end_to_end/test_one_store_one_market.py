"""A store that was filled from one market accepts nothing of another, and the error has the remedy."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

from redis import Redis

from redis_functions.contract import keys
from tests.simulator.support import tapped
from tests.support import Running, free_port, wait_until


def snapshot(redis: Redis) -> dict[bytes, object]:
    """All that the store holds, but who may hold the feed."""
    found: dict[bytes, object] = {}
    for name in redis.keys("*"):
        if not name.startswith((b"lease:", b"metrics:")):
            found[name] = redis.dump(name)
    return found


def market_data(held: dict[bytes, object]) -> dict[bytes, object]:
    return {name: value for name, value in held.items() if name.startswith((b"ts:{", b"latest:", b"alert"))}


def record(port: int, file: Path) -> None:
    async def main() -> None:
        async with tapped(port, "A.*") as tap:
            await tap.until(lambda: len(tap.of("A")) >= 30, "bars to record")
            lines = [frame if isinstance(frame, str) else frame.decode() for frame in tap.frames]
            file.write_text("".join(f"{line}\n" for line in lines if '"status"' not in line))

    asyncio.run(main())


def refused(redis_url: str, folder: Path, port: int) -> str:
    """What `ingest` prints when it is refused for good."""
    feed = {"TAPEWATCH_REDIS_URL": redis_url, "TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks"}
    with Running("ingest", data_dir=folder, **feed) as ingest:
        wait_until(lambda: ingest.process.poll() is not None, 30, "the end of ingest")
        assert ingest.process.returncode == 78
        return ingest.output()


def test_a_recording_of_the_simulator_is_refused_by_a_store_of_another_feed(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    port, recording = free_port(), tmp_path / "recorded.jsonl"
    feed = {"TAPEWATCH_REDIS_URL": redis_url, "TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{port}/stocks"}
    with Running(
        "simulate", "--port", str(port), "--symbols", "10", "--rate", "10", "--history", "60", "--seed", "7"
    ) as market:
        with Running("ingest", data_dir=tmp_path / "first", **feed) as ingest:
            ingest.wait(lambda: redis.scard(keys.SYMBOLS) >= 5, 30, "bars in the store")
            assert ingest.stop() == 0
        record(port, recording)
        market.stop(signal.SIGTERM)
    assert redis.hgetall(keys.STORE) == {b"feed": b"stocks", b"market": b"simulator-7", b"schema": b"1"}
    assert (tmp_path / "first" / "spool" / "market").read_text() == "simulator-7\n"
    before = snapshot(redis)
    assert len(before) > 100

    with Running("replay", str(recording), "--port", str(port), "--speed", "0") as replay:
        replay.wait(lambda: "stocks" in replay.output(), 20, "the replayer")
        for folder in (tmp_path / "second", tmp_path / "first"):
            output = refused(redis_url, folder, port)
            after = snapshot(redis)
            if folder.name == "first":
                # Its own spool fits the store, so it reports on itself until the feed greets.
                after, before = market_data(after), market_data(before)
            assert after == before
            assert "holds the market 'simulator-7', and this feed is 'recording-" in output
            assert "TAPEWATCH_DATA_DIR" in output
            assert "tapewatch store reset --yes" in output
    assert not (tmp_path / "second" / "spool" / "market").exists()
