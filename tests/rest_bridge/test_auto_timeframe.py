"""`timeframe=auto`: by the range, the points and what is stored."""

from __future__ import annotations

import pytest
from redis import Redis

from market.bar import Bar
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000
MINUTE, HOUR = 60_000, 3_600_000


def chosen(api: Api, **query: str | int) -> str | None:
    reply = api.client.get("/api/v1/candles", query_string={"symbol": "AAPL", "timeframe": "auto", **query})
    assert reply.status_code == 200, reply.text
    return reply.headers.get("X-Timeframe")


@pytest.fixture
def day(redis: Redis) -> None:
    write_bars(redis, [Bar("AAPL", T0 - m * MINUTE, 1, 1, 1, 1, 1, 1) for m in range(60 * 10, -1, -10)])


@pytest.mark.usefixtures("day")
@pytest.mark.parametrize(
    ("span", "points", "timeframe"),
    [
        (5 * MINUTE, 500, "1s"),
        (HOUR, 4000, "1s"),
        (HOUR, 500, "15s"),
        (HOUR, 60, "1m"),
        (7 * HOUR, 5000, "1m"),  # seconds are kept for two hours
        (6 * HOUR, 500, "1m"),
        (24 * HOUR, 500, "5m"),
        (7 * 24 * HOUR, 500, "30m"),
        (300 * 24 * HOUR, 500, "1d"),
        (3000 * 24 * HOUR, 500, "1d"),
    ],
)
def test_the_shortest_that_fits_and_is_stored_so_far_back(api: Api, span: int, points: int, timeframe: str) -> None:
    assert chosen(api, **{"from": T0 - span, "to": T0, "points": points}) == timeframe


def test_what_is_chosen_is_what_is_answered(api: Api, day: None) -> None:
    query = {"symbol": "AAPL", "from_": T0 - 6 * HOUR, "to": T0}
    assert api.rows("candles", timeframe="auto", **query) == api.rows("candles", timeframe="1m", **query) != []
    for path, more in (("indicators", {"names": "sma:2"}), ("patterns", {})):
        assert api.rows(path, timeframe="AUTO", **query, **more) == api.rows(path, timeframe="1m", **query, **more)


def test_without_a_begin_it_is_a_minute(api: Api) -> None:
    assert chosen(api) == "1m"
    assert api.client.get("/api/v1/candles?symbol=AAPL").headers.get("X-Timeframe") is None
