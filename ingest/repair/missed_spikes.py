"""Which velocity alerts would have been raised, had the repaired bars come live."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from redis.asyncio import Redis

from indicators.velocity_series import velocity_series
from ingest.velocity_rule import VELOCITY_RULE, VelocityConfig
from market.bar import SECOND_MS, Bar
from market.price import SCALE
from market.sessions import day_of
from redis_functions.read.velocity import read_velocity_inputs

Times = NDArray[np.int64]
Values = NDArray[np.float64]

#: The detector's own: a move of exactly the threshold counts.
_ROUNDING = 1e-9


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
    begin = first - window - rule.max_age_s * SECOND_MS
    found = await read_velocity_inputs(client, symbol, VELOCITY_RULE, begin, last, [day.date for day in days])
    t = np.array([at for at, _ in found.closes], np.int64)
    close = np.array([value for _, value in found.closes]) / SCALE
    base: Values | None = None
    if rule.base == "previous_close":
        base = np.where(t < days[0].end, *found.previous_closes)
    raised = found.fired
    for spike in before:
        raised[spike.direction].append(spike.t)
    return [Missed(symbol, *spike) for spike in find(t, close, base, first, raised, rule)]


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
