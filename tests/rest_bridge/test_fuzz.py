"""Whatever is asked, the answer is data or an error object, and never an error of ours."""

from __future__ import annotations

import json
from urllib.parse import quote, urlencode

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import Bar
from tests.rest_bridge.conftest import Api
from tests.support import write_bars

T0 = 1_760_103_000_000
PATHS = (
    "candles indicators patterns difference crossings velocity movers movers/candles movers/velocity alerts alerts/summary"
    " alerts/series annotations symbols gaps stats"
)
HOSTILE = [
    "", "0", "-1", "-0", "1e309", "NaN", "9" * 40, "null", "'\"<script>", "../../etc/passwd", "\x00", "A" * 2000,
    "1m;FLUSHALL", "{DOOR}", "ts:{DOOR}:1s:close", "\u202e", "1970-01-01", "[]", "true", "*", "5000000", "sma:0",
    "sma:-5", "sma:1e9", "bbands:20:nan", "٣", "A\r\nPING", "1d", "1s", "24h", "86400s", "DOOR", "DOOR,DOOR,B", ",",
    "100", str(T0), str(2**53), "velocity", "asc", "warning", "sma:5,ema:7", "lag_ms", "1",
    "now", "-1h", "2025-10-10", "2025-10-10T09:30:00 04:00", "auto", "9999-12-31",
]  # fmt: skip
NAMES = [
    "symbol",
    "timeframe",
    "from",
    "to",
    "limit",
    "names",
    "by",
    "order",
    "q",
    "rule",
    "severity",
    "converged",
    "step",
    "first",
    "second",
    "breaks",
    "previous_close",
    "x",
]
VALUES = st.one_of(st.sampled_from(HOSTILE), st.text(max_size=30), st.integers().map(str))


@pytest.fixture
def filled(api: Api, redis: Redis) -> Api:
    write_bars(redis, [Bar("DOOR", T0 + i * 1000, 1, 1, 1, 1, 1, 1) for i in range(100)])
    return api


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([*PATHS.split(), "stats/series"]), st.lists(st.tuples(st.sampled_from(NAMES), VALUES), max_size=6)
)
def test_hostile_queries(filled: Api, path: str, pairs: list[tuple[str, str]]) -> None:
    reply = filled.client.get(f"/api/v1/{path}?{urlencode(pairs, quote_via=quote, errors='surrogatepass')}")
    assert reply.status_code in (200, 400, 404), reply.data
    body = json.loads(reply.data)
    if reply.status_code == 200:
        assert not filled.undescribed(f"/api/v1/{path}", 200, reply.mimetype, reply.data)
    else:
        assert set(body) == {"error"}
        assert body["error"]["message"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=60))
def test_queries_that_are_no_text(api: Api, raw: bytes) -> None:
    reply = api.client.get("/api/v1/candles", query_string=raw.decode("latin-1"))
    assert reply.status_code == 400
    assert json.loads(reply.data)["error"]["message"]
