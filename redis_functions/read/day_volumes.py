"""The stored volume of a day, of every symbol: a daemon that starts during the day continues from it."""

from __future__ import annotations

from collections.abc import Iterable

from redis.asyncio import Redis

from market.limits import is_volume
from market.sessions import TradingDay
from redis_functions.contract import keys

#: Longer than any day, so that a day is one bucket.
_BUCKET_MS = 26 * 3_600_000


async def read_day_volumes(client: Redis, symbols: Iterable[str], day: TradingDay) -> dict[str, float]:
    """Shares of `day` by symbol, the open hour included; symbols without any, or beyond the limits, are left out.

    Raises redis.RedisError.
    """
    names = list(symbols)
    pipe = client.pipeline(transaction=False)
    for name in names:
        pipe.execute_command(
            "TS.RANGE", keys.series(name, "1h", "volume"), day.start, day.end - 1, "LATEST",
            "ALIGN", day.start, "AGGREGATION", "sum", _BUCKET_MS,
        )  # fmt: skip
    replies = await pipe.execute(raise_on_error=False)
    return {
        name: float(reply[0][1])
        for name, reply in zip(names, replies, strict=True)
        if isinstance(reply, list) and reply and is_volume(float(reply[0][1]))
    }
