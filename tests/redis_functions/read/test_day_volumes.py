"""The day's volume out of the store, the hour that is still open included."""

from __future__ import annotations

import asyncio

from redis import Redis

from market.bar import Bar
from market.sessions import day_of
from redis_functions.read.day_volumes import read_day_volumes
from redis_functions.server.connection import connect_async
from tests.support import write_bars

T = 1_760_104_800_000  # 10:00 in New York, a Friday
HOUR = 3_600_000


def test_the_volume_of_a_day_is_that_of_its_bars(redis: Redis, redis_url: str) -> None:
    day = day_of(T)
    times = (day.start - 1000, day.start, T, T + HOUR, T + HOUR + 1000)
    write_bars(redis, [Bar("A", t, 1, 1, 1, 1, 10 + i, 1) for i, t in enumerate(times)])
    write_bars(redis, [Bar("ODD", T, 1, 1, 1, 1, 1e16, 1)])  # what others wrote, and no volume can be

    async def read() -> dict[str, float]:
        client = connect_async(redis_url)
        try:
            return await read_day_volumes(client, ["A", "NONE", "ODD"], day)
        finally:
            await client.aclose()

    assert asyncio.run(read()) == {"A": 11 + 12 + 13 + 14}
