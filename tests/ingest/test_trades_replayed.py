"""A crash amidst trades: a replay from a little earlier ends in the same seconds, late prints included."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS
from tests.ingest.harness import running

T = 1_760_103_000_000
SECONDS = 420


def frames(seed: int) -> list[list[dict[str, Any]]]:
    """One frame a second: prints of that second, some up to 50 s late, a few 70 to 200 s late."""
    draw = random.Random(seed)
    sent: list[list[dict[str, Any]]] = [[] for _ in range(SECONDS)]
    number = 0
    for second in range(SECONDS):
        for _ in range(draw.choice((0, 1, 1, 2, 4))):
            number += 1
            late = draw.choice((0,) * 12 + (draw.randrange(1, 50), draw.randrange(70, 200)))
            at = min(SECONDS - 1, second + late)
            sent[at].append({
                "ev": "T", "sym": "X", "x": 4, "i": str(number), "z": 3, "q": number,
                "p": round(100 + draw.random(), 2), "s": draw.randrange(1, 500), "t": T + second * 1000 + draw.randrange(1000),
            })  # fmt: skip
    return sent


def series(redis: Redis) -> dict[str, list[tuple[int, float]]]:
    return {
        f: [(int(t), float(v)) for t, v in redis.execute_command("TS.RANGE", keys.series("X", "1s", f), "-", "+")]
        for f in FIELDS
    }


def work(url: str, sent: list[list[dict[str, Any]]], first: int, last: int, replayed_to: int | None) -> None:
    """Frames `first` to `last`, numbered from 1, by a pipeline of its own."""

    async def go() -> None:
        async with running(url) as path:
            names = await path.client.smembers(keys.SYMBOLS)
            path.writer.restore([str(n, "utf-8") for n in names])
            if replayed_to is not None:
                path.pipeline.begin(replayed_to=replayed_to, partial=first > 1)
            for number in range(first, last + 1):
                frame = json.dumps(sent[number - 1]).encode()
                path.act(path.pipeline.step(path.pipeline.decode(frame, number, T + number * 1000)))
                await path.late_data.emptied()
            await path.writer.flushed()

    asyncio.run(go())


def test_replayed_trades_end_in_the_same_seconds(redis: Redis, redis_url: str) -> None:
    for seed in range(6):
        sent = frames(seed)
        redis.flushall()
        work(redis_url, sent, 1, SECONDS, None)
        clean = series(redis)
        redis.flushall()
        work(redis_url, sent, 1, 300, None)
        work(redis_url, sent, 170, 340, replayed_to=297)  # three frames were worked on, but not acknowledged
        work(redis_url, sent, 210, SECONDS, replayed_to=338)
        assert series(redis) == clean, seed
