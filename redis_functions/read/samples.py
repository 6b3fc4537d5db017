"""Samples of a symbol's series for the processes of asyncio: the newest ones, and ranges.

A series that does not exist has no samples; a key that holds another type is none of ours and has none either.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from redis.asyncio import Redis

from market.bar import MINUTE_MS, SECOND_MS
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS
from redis_functions.errors import Kind, kind_of
from redis_functions.read.candles import Candles, join, without_impossible
from redis_functions.read.ranges import Samples

#: Series in one round trip.
BATCH = 5_000


class Sample(NamedTuple):
    """`t`: epoch ms; `value`: as stored, prices and notionals in ticks."""

    t: int
    value: float


async def read_newest(
    client: Redis, symbols: Sequence[str], timeframe: str = "1s", field: str = "close"
) -> dict[str, Sample]:
    """The newest sample of the field of each symbol; those without one are left out. Raises redis.RedisError."""
    replies = await _ask(client, [("TS.GET", keys.series(symbol, timeframe, field)) for symbol in symbols])
    return {symbol: _sample(reply) for symbol, reply in zip(symbols, replies, strict=True) if reply}


async def read_newest_fields(client: Redis, symbol: str) -> dict[str, int | None]:
    """The time of the newest sample of each field's second bars, None where there is none. Raises redis.RedisError."""
    replies = await _ask(client, [("TS.GET", keys.series(symbol, "1s", field)) for field in FIELDS])
    return {field: int(reply[0]) if reply else None for field, reply in zip(FIELDS, replies, strict=True)}


async def read_newest_between(
    client: Redis, symbols: Sequence[str], timeframe: str, field: str, start: int, end: int
) -> dict[str, Sample]:
    """The newest sample of each symbol in `start`..`end`, an open bucket included; those without one are left out.

    Raises redis.RedisError.
    """
    replies = await _ask(
        client,
        [
            ("TS.REVRANGE", keys.series(symbol, timeframe, field), start, end, "LATEST", "COUNT", 1)
            for symbol in symbols
        ],
    )
    return {symbol: _sample(reply[0]) for symbol, reply in zip(symbols, replies, strict=True) if reply}


async def read_seconds(
    client: Redis, symbol: str, field: str, start: int, end: int, oldest: int | None = None
) -> list[Sample]:
    """Samples of the 1s series in `start`..`end`, ascending, marks of minute bars among them: all, or the `oldest` so many.

    Raises redis.RedisError.
    """
    count = () if oldest is None else ("COUNT", oldest)
    (rows,) = await _ask(client, [("TS.RANGE", keys.series(symbol, "1s", field), start, end, *count)])
    return [_sample(row) for row in rows]


async def has_seconds(client: Redis, symbol: str, minute: int) -> bool:
    """Whether the minute that starts at `minute` has second bars; its minute bar is none. Raises redis.RedisError."""
    found = await read_seconds(client, symbol, "volume", minute, minute + MINUTE_MS - 1, 2)
    return any(sample.t % SECOND_MS == 0 for sample in found)


async def read_minutes(client: Redis, symbol: str, start: int, end: int) -> Candles:
    """The 1m candles in `start`..`end`, the running one included. Raises redis.RedisError."""
    replies = await _ask(
        client, [("TS.RANGE", keys.series(symbol, "1m", field), start, end, "LATEST") for field in FIELDS]
    )
    columns = [
        Samples(np.array([int(t) for t, _ in rows], np.int64), np.array([float(v) for _, v in rows], np.float64))
        for rows in replies
    ]
    t, fields = join(columns)
    return Candles(t, without_impossible(tuple(FIELDS), fields))


async def _ask(client: Redis, commands: Sequence[tuple[str | int, ...]]) -> list[list[Any]]:
    """The replies; an empty list where there is no such series."""
    found: list[list[Any]] = []
    for begin in range(0, len(commands), BATCH):
        pipe = client.pipeline(transaction=False)
        for words in commands[begin : begin + BATCH]:
            pipe.execute_command(*words)
        for reply in await pipe.execute(raise_on_error=False):
            if isinstance(reply, Exception):
                if kind_of(reply) not in (Kind.NO_SERIES, Kind.WRONG_TYPE):
                    raise reply
                reply = []
            found.append(reply)
    return found


def _sample(reply: Sequence[Any]) -> Sample:
    return Sample(int(reply[0]), float(reply[1]))
