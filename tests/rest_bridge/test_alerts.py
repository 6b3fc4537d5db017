"""Alerts over REST, raised by the real function."""

from __future__ import annotations

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.lua.calls import raise_alert_sync
from tests.rest_bridge.conftest import Api

T0 = 1_760_103_000_000


def raised(
    redis: Redis,
    t: int,
    symbol: str = "AAPL",
    direction: str | None = "up",
    severity: str = "warning",
    rule: str = "velocity",
) -> Alert:
    alert = Alert(
        alert_id(rule, symbol, t, direction), t, symbol, rule, severity, direction, -0.8125, f"{symbol} “moved”", 189.43
    )
    assert raise_alert_sync(redis, alert, 0) == "raised"
    return alert


def test_an_alert_has_all_members(api: Api, redis: Redis) -> None:
    raised(redis, T0, "BRK.B", None)
    assert api.rows("alerts") == [
        {
            "id": f"velocity:BRK.B:{T0}:", "t": T0, "symbol": "BRK.B", "rule": "velocity", "severity": "warning",
            "direction": None, "magnitude": -0.8125, "message": "BRK.B “moved”", "price": 189.43, "receipts": [],
        }
    ]  # fmt: skip


def test_alerts_ascend_by_event_time_and_the_newest_are_kept(api: Api, redis: Redis) -> None:
    for t in (5, 1, 3, 2, 4):
        raised(redis, T0 + t)
    assert [a["t"] - T0 for a in api.rows("alerts")] == [1, 2, 3, 4, 5]
    assert [a["t"] - T0 for a in api.rows("alerts", limit=2)] == [4, 5]
    assert [a["t"] - T0 for a in api.rows("alerts", from_=T0 + 2, to=T0 + 3)] == [2, 3]


def test_filters(api: Api, redis: Redis) -> None:
    raised(redis, T0, "AAPL", "up", "info", "velocity")
    raised(redis, T0 + 1, "AAPL", "down", "critical", "over-180")
    raised(redis, T0 + 2, "MSFT", "up", "critical", "velocity")

    def times(**query: str) -> list[int]:
        found = [a["t"] - T0 for a in api.rows("alerts", **query)]
        assert found == [a["time"] - T0 for a in api.rows("annotations", **query)]
        assert api.rows("alerts/summary", **query)["total"] == len(found)
        return found

    assert times(symbol="AAPL") == [0, 1]
    assert times(symbol="MSFT,AAPL,NONE") == [0, 1, 2]
    assert times(rule="velocity") == [0, 2]
    assert times(severity="critical", symbol="MSFT") == [2]
    assert times(symbol="aapl") == []
    assert times(symbol="") == [0, 1, 2]
    assert api.rows("alerts/summary") == {"total": 3, "info": 1, "warning": 0, "critical": 2, "up": 2, "down": 1}


def test_annotations_are_in_grafanas_shape(api: Api, redis: Redis) -> None:
    alert = raised(redis, T0)
    assert api.rows("annotations") == [
        {"time": T0, "timeEnd": T0, "title": "AAPL velocity", "text": alert.message, "tags": "velocity,AAPL,warning,up"}
    ]


def test_new_alerts_are_seen_and_trimmed_ones_are_gone(api: Api, redis: Redis) -> None:
    raised(redis, T0)
    assert len(api.rows("alerts")) == 1
    raised(redis, T0 + 1)
    raised(redis, T0 - 1)
    assert [a["t"] - T0 for a in api.rows("alerts")] == [-1, 0, 1]
    redis.xtrim(keys.ALERTS, maxlen=2, approximate=False)
    assert [a["t"] - T0 for a in api.rows("alerts")] == [-1, 1]
    redis.delete(keys.ALERTS)
    assert api.rows("alerts") == []
    redis.delete(keys.ALERTS_FIRED)
    raised(redis, T0 + 7)
    assert [a["t"] - T0 for a in api.rows("alerts")] == [7]


def test_a_stream_that_was_replaced_is_read_anew(api: Api, redis: Redis) -> None:
    """An older stream brought back from a backup: its ids are lower than those already seen."""
    raised(redis, T0)
    fields = redis.xrange(keys.ALERTS)[0][1]
    assert len(api.rows("alerts")) == 1
    redis.delete(keys.ALERTS)
    redis.xadd(keys.ALERTS, {**fields, b"t": T0 + 5}, id="5-0")
    redis.xadd(keys.ALERTS, {**fields, b"t": T0 + 4}, id="5-1")
    assert [a["t"] - T0 for a in api.rows("alerts")] == [4, 5]


@pytest.mark.parametrize("path", ["alerts", "annotations", "alerts/summary"])
@pytest.mark.parametrize(
    "query", [{"severity": "mild"}, {"rule": "a{b}"}, {"symbol": "*"}, {"from": "2", "to": "1"}, {"limit": "1001"}]
)
def test_filters_that_cannot_be_used_are_refused(api: Api, path: str, query: dict[str, str]) -> None:
    api.refused(path, **query)


def test_alerts_are_counted_over_time_also_where_there_was_none(api: Api, redis: Redis) -> None:
    assert api.rows("alerts/series") == []
    minute = T0 // 60_000 * 60_000
    raised(redis, minute + 1_000, "AAPL", "up")
    raised(redis, minute + 59_999, "MSFT", "down")
    raised(redis, minute + 125_000, "TSLA", None)
    expected = [
        {"t": minute, "total": 2, "up": 1, "down": 1},
        {"t": minute + 60_000, "total": 0, "up": 0, "down": 0},
        {"t": minute + 120_000, "total": 1, "up": 0, "down": 0},
    ]
    assert api.rows("alerts/series") == expected
    assert api.rows("alerts/series", from_=minute, to=minute + 179_999) == expected
    assert [r["total"] for r in api.rows("alerts/series", step=3600)] == [3]
    assert [r["total"] for r in api.rows("alerts/series", from_=minute, to=minute + 119_999, symbol="MSFT")] == [1, 0]
    # A range of months is cut to its newest spans.
    assert len(api.rows("alerts/series", from_=minute - 200 * 86_400_000, to=minute)) == 2_000
