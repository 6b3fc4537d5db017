"""Rows of nulls where data is missing, over REST."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from redis import Redis

from market.bar import Bar
from market.timeframes import DAY_MS
from redis_functions.contract import keys
from rest_bridge.breaks import with_breaks
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000  # 2025-10-10 09:30 New York
OUTAGE_MS = 90_000


@pytest.mark.parametrize(
    ("step", "broken"),
    [(0, True), (1_000, True), (30_000, True), (60_000, False), (DAY_MS, False)],
)
def test_a_hole_is_longer_than_20_s_and_two_steps(step: int, broken: bool) -> None:
    times = [0, step or 1000, (step or 1000) + OUTAGE_MS]
    rows = with_breaks(times, times, step, lambda t: -t)
    assert rows == ([*times[:2], -2 * (step or 1000), times[2]] if broken else times)


def test_a_line_of_candles_breaks_where_the_feed_was_out(api: Api, redis: Redis) -> None:
    seconds = [*range(0, 60_000, 1000), *range(60_000 + OUTAGE_MS, 200_000, 1000)]
    write_bars(redis, [Bar("A", T0 + t, 10_000, 10_000, 10_000, 10_000, 1, 10_000) for t in seconds])
    asked: dict[str, Any] = {"symbol": "A", "names": "sma:2", "timeframe": "5s"}
    plain, broken = api.rows("indicators", **asked), api.rows("indicators", **asked, breaks=1)
    (gap,) = [row for row in broken if row not in plain]
    assert gap == {**dict.fromkeys(plain[0]), "t": T0 + 60_000}
    assert [row for row in broken if row != gap] == plain
    assert broken == sorted(broken, key=lambda row: row["t"])


def test_statistics_break_at_every_width(api: Api, redis: Redis) -> None:
    times = [T0 + t for t in range(0, 600_000, 1000) if not 300_000 <= t < 300_000 + OUTAGE_MS]
    for t in times:
        redis.execute_command("TS.ADD", keys.stat("lag_ms"), t, 5)
    shown: dict[str, Any] = {"names": "lag_ms", "from_": T0, "to": T0 + 600_000, "breaks": 1}
    for points in (600, 100, 40):
        values = [row["lag_ms"] for row in api.rows("stats/series", **shown, points=points)]
        assert values.count(None) == 1, points
    # A minute of each mean: the outage is not longer than two of them.
    assert None not in [row["lag_ms"] for row in api.rows("stats/series", **shown, step=60)]


def test_the_previous_close_stands_beside_each_candle_of_its_day(api: Api, redis: Redis) -> None:
    redis.hset(keys.previous_close(date(2025, 10, 10)), "A", "99.5")
    times = [T0, T0 + DAY_MS]
    write_bars(redis, [Bar("A", t, 10_000, 10_000, 10_000, 10_000, 1, 10_000) for t in times])
    rows = api.rows("indicators", symbol="A", names="sma:2", timeframe="1h", previous_close=1)
    assert [row["previous_close"] for row in rows] == [99.5, None]
    assert "previous_close" not in api.rows("indicators", symbol="A", names="sma:2", timeframe="1h")[0]
    assert "no name for a column" in api.refused("indicators", symbol="A", names="previous_close=sma:2")
