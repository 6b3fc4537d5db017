"""The REST API held against its own description by schemathesis: whatever is asked, no error of ours, and nothing that is not
described."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from redis import Redis
from schemathesis.checks import CHECKS
from schemathesis.openapi import from_wsgi

from redis_functions.contract import keys
from redis_functions.server.connection import connect
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from tests.fuzz import LONG, times
from tests.grafana.harness import SYMBOLS, fill
from tests.rest_bridge.conftest import Api

schemathesis.checks.load_all_checks()
#: All but what asks for patterns where the description has plain text: that a string is refused as no symbol is right.
SKIPPED = list(CHECKS.get_by_names(["positive_data_acceptance"]))
#: The client of a WSGI application unpacks nothing.
HEADERS = {"Authorization": "Bearer token-of-this-test", "Accept-Encoding": "identity"}
PATHS = sorted(Api(BridgeConfig("redis://127.0.0.1:1")).spec["paths"])
#: Values that reach further than random ones, by name of the parameter.
FITTING: dict[str, list[str]] = {
    "symbol": [*SYMBOLS, ",".join(SYMBOLS), "NONE"],
    "symbols": [",".join(SYMBOLS)],
    "timeframe": ["1s", "5s", "15s", "1m", "3m", "5m", "1h", "4h", "1d", "7m"],
    "names": [
        "sma:20,ema:50",
        "bbands:20:2,macd:12:26:9",
        "obv",
        "stoch:14:3:3",
        "connected,lag_ms",
        "sma:0",
        "rsi:99999",
    ],
    "by": ["velocity", "change", "volume"],
    "rule": ["velocity"],
    "q": ["A", "a", "BRK.", "."],
    "limit": ["1", "5000"],
}


@pytest.fixture(scope="module")
def filled(redis_url: str) -> Iterator[Any]:
    """The application over a store that holds something of everything, described by its own /openapi.json."""
    app = create_app(BridgeConfig(redis_url, token="token-of-this-test", always_open=True))
    client: Redis
    with connect(redis_url) as client:
        client.flushall()
        fill(client, time.time_ns() // 1_000_000_000 * 1000)
        client.set(keys.metrics("ingest"), "")
    return from_wsgi("/openapi.json", app)


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_is_as_described(filled: Any, path: str) -> None:
    operation = filled[path]["GET"]
    known = {name: st.sampled_from(values) for name, values in FITTING.items()}

    # The seed is fixed, so that what is found once is found again.
    @seed(1)
    @settings(max_examples=times(25, 1_000), deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(case=operation.as_strategy(), data=st.data())
    def held(case: Any, data: st.DataObject) -> None:
        described = {parameter["name"] for parameter in operation.definition.raw.get("parameters", [])}
        for name in sorted(described & known.keys()):
            if data.draw(st.integers(0, 3)):
                case.query = {**(case.query or {}), name: data.draw(known[name])}
        case.call_and_validate(excluded_checks=SKIPPED, headers=HEADERS)

    held()


def test_the_store_was_not_changed_by_asking(filled: Any, redis_url: str) -> None:
    with connect(redis_url) as client:
        before = client.dbsize()
        for path in PATHS:
            filled[path]["GET"].Case().call(headers=HEADERS)
        assert client.dbsize() == before


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE"])
@pytest.mark.parametrize("path", PATHS if LONG else PATHS[:3])
def test_other_methods_are_refused(filled: Any, path: str, method: str) -> None:
    reply = filled.app.test_client().open(path, method=method, data=b"x" * 100, headers=HEADERS)
    assert reply.status_code == 405
    assert json.loads(reply.data)["error"]["code"] == "method_not_allowed"
