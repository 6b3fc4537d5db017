"""Every frame is on disk before it is decoded. After a crash the frames behind the watermark are worked on again."""

import asyncio
from pathlib import Path

from redis import Redis

from tests.fake_vendor import second_bar
from tests.ingest.harness import candles
from tests.ingest.test_engine import Box, T, box


def crash(url: str, folder: Path) -> None:
    """Three frames are spooled, and the process ends before any of them reaches Redis."""

    async def go() -> None:
        dead = Box(url, folder)
        for second in range(3):
            dead.frame(second_bar("AAPL", T + second * 1000, 100.0 + second))
        dead.spool.close()
        await dead.client.aclose()

    asyncio.run(go())


def test_what_was_received_is_stored_by_the_next_process_once(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def next_process() -> int:
        async with box(redis_url, tmp_path) as alive:
            await alive.engine.opened.wait()
        assert alive.engine.watermark.stored == 3  # its effects are in Redis: a third process has nothing to do again
        return alive.engine.pipeline.counts.bars

    crash(redis_url, tmp_path)
    assert candles(redis, "AAPL", "1s") == {}
    assert asyncio.run(next_process()) == 3
    assert [close for _, _, _, close, *_ in candles(redis, "AAPL", "1s").values()] == [100.0, 101.0, 102.0]
