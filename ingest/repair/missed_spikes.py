"""Which velocity alerts would have been raised, had the repaired bars come live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from indicators.velocity_series import velocity_series
from ingest.pipeline import VELOCITY_RULE, VelocityConfig
from market.bar import SECOND_MS, Bar
from market.price import SCALE
from market.sessions import day_of
from redis_functions.contract import keys

Times = NDArray[np.int64]
Values = NDArray[np.float64]

#: The detector's own: a move of exactly the threshold counts.
_ROUNDING = 1e-9
_DIRECTIONS = ("up", "down")


class Missed(NamedTuple):
    """As it stands in the gap's record; `t` epoch ms, `magnitude` in percent."""

    symbol: str
    t: int
    direction: str
    magnitude: float


async def missed_spikes(
    client: Redis, symbol: str, repaired: Sequence[Bar], rule: VelocityConfig, before: Sequence[Missed] = ()
) -> list[Missed]:
    """The spikes among `repaired` second bars, which the store has by now, and among the live bars whose reference they are.

    Not those that were raised, nor those in the cooldown of an alert or of a missed spike `before` them.
    """
    times = [bar.t for bar in repaired if bar.span == SECOND_MS]
    if not times:
        return []
    window = rule.window_s * SECOND_MS
    first, last = min(times), max(times) + window
    days = [day_of(first), day_of(last)]
    pipe = client.pipeline(transaction=False)
    pipe.execute_command(
        "TS.RANGE", keys.series(symbol, "1s", "close"), first - window - rule.max_age_s * SECOND_MS, last
    )
    pipe.hmget(keys.ALERTS_FIRED, [f"{VELOCITY_RULE}|{symbol}|{direction}" for direction in _DIRECTIONS])
    for day in days:
        pipe.hget(keys.previous_close(day.date), symbol)
    rows, fired, *previous = await pipe.execute()
    seconds = [(int(t), float(v)) for t, v in rows if int(t) % SECOND_MS == 0]
    t = np.array([at for at, _ in seconds], np.int64)
    close = np.array([value for _, value in seconds]) / SCALE
    base: Values | None = None
    if rule.base == "previous_close":
        known = [float(text) if text else np.nan for text in previous]
        base = np.where(t < days[0].end, known[0], known[1])
    raised = {direction: _times(text) for direction, text in zip(_DIRECTIONS, fired, strict=True)}
    for spike in before:
        raised[spike.direction].append(spike.t)
    return [Missed(symbol, *found) for found in find(t, close, base, first, raised, rule)]


def find(
    t: Times, close: Values, base: Values | None, first: int, raised: Mapping[str, Sequence[int]], rule: VelocityConfig
) -> list[tuple[int, str, float]]:
    """(t, direction, magnitude) of the bars from `first` on that would have raised an alert; `raised`: those that there are."""
    velocity = velocity_series(t, close, rule.window_s * SECOND_MS, rule.max_age_s * SECOND_MS, base)
    with np.errstate(invalid="ignore"):
        hits = np.flatnonzero((t >= first) & (np.abs(velocity) >= rule.threshold - _ROUNDING))
    alerts = {direction: list(times) for direction, times in raised.items()}
    found = []
    for row in hits.tolist():
        at, percent = int(t[row]), float(velocity[row])
        direction = "up" if percent > 0 else "down"
        if not any(0 <= at - other < max(rule.cooldown_s * 1000, 1) for other in alerts[direction]):
            alerts[direction].append(at)
            found.append((at, direction, round(abs(percent), 4)))
    return found


def _times(text: Any) -> list[int]:
    return [int(word) for word in (text or b"").split()]
