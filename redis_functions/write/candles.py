"""Candles of the past, written as they are: into frozen hours, which no compaction rule will touch again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from redis.asyncio import Redis
from redis.exceptions import RedisError, ResponseError

from market.timeframes import STORED
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema, create_commands
from redis_functions.errors import Kind, kind_of

#: Samples in one TS.MADD.
BATCH = 1_000


class FieldSample(NamedTuple):
    """One value of a symbol: which of its series, when (epoch ms), and what."""

    timeframe: str
    field: str
    t: int
    value: int | float


async def write_samples(
    client: Redis, symbol: str, samples: Sequence[FieldSample], newest: Mapping[str, int | None], schema: Schema
) -> None:
    """Upserts `samples` in one transaction of the symbol's slot; series that are missing are created first.

    `newest`: the time of the newest second of each field. Values older than their series keeps are left out. A bucket that a
    rule writes late does not move its series' notion of the newest sample, and a sample written here between the two would
    be put behind it, out of order; so a sample at the end is added and deleted again, which sets that notion right.
    Raises redis.RedisError.
    """
    ends = _ends(symbol, newest)
    for attempt in range(2):
        pipe = client.pipeline(transaction=True)
        if ends:
            pipe.execute_command("TS.MADD", *[word for key, t in ends for word in (key, t, 0)])
        for key, t in ends:
            pipe.execute_command("TS.DEL", key, t, t)
        for begin in range(0, len(samples), BATCH):
            part = samples[begin : begin + BATCH]
            words = [word for s in part for word in (keys.series(symbol, s.timeframe, s.field), s.t, s.value)]
            pipe.execute_command("TS.MADD", *words)
        errors = [
            error
            for reply in await pipe.execute(raise_on_error=False)
            for error in (reply if isinstance(reply, list) else [reply])
            # Where a level is kept for a shorter time than 1m, its candle is rightly refused.
            if isinstance(error, Exception) and kind_of(error) is not Kind.TOO_OLD
        ]
        if not errors:
            return
        if attempt or any(kind_of(error) is not Kind.NO_SERIES for error in errors):
            raise errors[0] if isinstance(errors[0], RedisError) else ResponseError(str(errors[0]))
        await _create(client, symbol, schema)


def _ends(symbol: str, newest: Mapping[str, int | None]) -> list[tuple[str, int]]:
    """For each compacted series an instant behind all its closed buckets and before the open one, at which nothing is."""
    return [
        (keys.series(symbol, name, field), t - t % ms - 1)
        for field, t in newest.items()
        if t is not None
        for name, ms in STORED.items()
        if name != "1s"
    ]


async def _create(client: Redis, symbol: str, schema: Schema) -> None:
    pipe = client.pipeline(transaction=False)
    for command in create_commands(symbol, schema):
        pipe.execute_command(*command)
    for reply in await pipe.execute(raise_on_error=False):
        if isinstance(reply, Exception) and kind_of(reply) is not Kind.EXISTS:
            raise reply
