"""What the feed's process reports once a second: the movers snapshot, halted symbols, and one sample of each statistic."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from types import MappingProxyType

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.write.statistics import add_statistics


async def write_report(
    client: Redis,
    now_ms: int,
    statistics: Mapping[str, float],
    movers: bytes,
    halted: Mapping[str, int] = MappingProxyType({}),
    resumed: Collection[str] | None = (),
) -> dict[str, RedisError]:
    """Writes the snapshot (JSON), the symbols that are `halted` with the event time (epoch ms), and a sample of each statistic at
    `now_ms`, in one round trip. `resumed`: symbols of the last report that are halted no more; None: all that were known.

    A command that Redis refuses does not stop the others; the errors are returned by the key's name. Raises redis.RedisError
    where the connection fails, and ValueError for a name that is not in the table of statistics.
    """
    pipe = client.pipeline(transaction=False)
    pipe.set(keys.MOVERS, movers)
    names = [keys.MOVERS]
    if resumed is None:
        pipe.delete(keys.HALTED)
    elif resumed:
        pipe.hdel(keys.HALTED, *resumed)
    if halted:
        pipe.hset(keys.HALTED, items=[word for pair in halted.items() for word in pair])
    names += [keys.HALTED] * (bool(halted) + (resumed is None or bool(resumed)))
    add_statistics(pipe, now_ms, statistics)
    names += map(keys.stat, statistics)
    replies = await pipe.execute(raise_on_error=False)
    return {name: reply for name, reply in zip(names, replies, strict=True) if isinstance(reply, RedisError)}
