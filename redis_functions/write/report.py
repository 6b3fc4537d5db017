"""What the feed's process reports once a second: the movers snapshot, and one sample of each statistic."""

from __future__ import annotations

from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.write.statistics import add_statistics


async def write_report(
    client: Redis, now_ms: int, statistics: Mapping[str, float], movers: bytes
) -> dict[str, RedisError]:
    """Writes the snapshot (JSON) and a sample of each statistic at `now_ms`, in one round trip.

    A command that Redis refuses does not stop the others; the errors are returned by the key's name. Raises redis.RedisError
    where the connection fails, and
    ValueError for a name that is not in the table of statistics.
    """
    pipe = client.pipeline(transaction=False)
    pipe.set(keys.MOVERS, movers)
    add_statistics(pipe, now_ms, statistics)
    names = [keys.MOVERS, *map(keys.stat, statistics)]
    replies = await pipe.execute(raise_on_error=False)
    return {name: reply for name, reply in zip(names, replies, strict=True) if isinstance(reply, RedisError)}
