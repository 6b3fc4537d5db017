"""What the velocity rule needs to be applied to the past of one symbol, in one round trip."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Any, NamedTuple

from redis.asyncio import Redis

from market.bar import SECOND_MS
from market.limits import is_price, is_stored_price
from redis_functions.contract import keys
from redis_functions.read.samples import Sample

DIRECTIONS = ("up", "down")


class VelocityInputs(NamedTuple):
    """`closes`: of the second bars, in ticks, ascending. `fired`: event times (epoch ms) of the alerts that were raised, by
    direction. `previous_closes`: real prices, one a day asked for, NaN where it is not known."""

    closes: list[Sample]
    fired: dict[str, list[int]]
    previous_closes: list[float]


async def read_velocity_inputs(
    client: Redis, symbol: str, rule: str, start: int, end: int, days: Sequence[date]
) -> VelocityInputs:
    """The closes in `start`..`end`, the alerts of `rule`, and the closes before `days`. Raises redis.RedisError."""
    pipe = client.pipeline(transaction=False)
    pipe.execute_command("TS.RANGE", keys.series(symbol, "1s", "close"), start, end)
    pipe.hmget(keys.ALERTS_FIRED, [f"{rule}|{symbol}|{direction}" for direction in DIRECTIONS])
    for day in days:
        pipe.hget(keys.previous_close(day), symbol)
    rows, fired, *previous = await pipe.execute()
    return VelocityInputs(
        [
            Sample(int(t), float(value))
            for t, value in rows
            if int(t) % SECOND_MS == 0 and is_stored_price(float(value))
        ],
        {direction: _times(text) for direction, text in zip(DIRECTIONS, fired, strict=True)},
        [price(text) for text in previous],
    )


def price(text: Any) -> float:
    """A stored price; NaN where there is none, or what is there is no price."""
    try:
        value = float(text) if text else math.nan
    except ValueError:
        return math.nan
    return value if is_price(value) else math.nan


def _times(text: Any) -> list[int]:
    return [int(word) for word in (text or b"").split() if word.isdigit()]
