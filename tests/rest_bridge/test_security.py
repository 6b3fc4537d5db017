"""Access with and without a token, headers for browsers, the form of errors, answers without Redis."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from flask import request, request_started
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.process_metrics import PROCESSES
from redis_functions.write.process_metrics import publish
from rest_bridge.config import Limits
from tests.rest_bridge.conftest import Api, MakeApi
from tests.support import write_bars

TOKEN = "s3cret-tökén"
OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/"}


@pytest.fixture
def locked(make_api: MakeApi) -> Api:
    return make_api(token=TOKEN)


@pytest.mark.parametrize(
    "given", [None, "Bearer wrong", "Basic czpz", TOKEN, f"bearer{TOKEN}", f"Bearer {TOKEN} ", "Bearer "]
)
def test_without_the_right_token_only_what_is_open_answers(locked: Api, given: str | None) -> None:
    # WSGI carries header bytes as Latin-1.
    headers = {"Authorization": given.encode().decode("latin-1")} if given else {}
    for path in [*locked.spec["paths"], "/nothing/here"]:
        reply = locked.client.get(path, headers=headers)
        if path in OPEN:
            assert reply.status_code != 401
            continue
        assert reply.status_code == 401, path
        assert json.loads(reply.data)["error"]["code"] == "unauthorized"
        assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_with_the_token_everything_answers(locked: Api) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1")}
    assert locked.client.get("/api/v1/symbols", headers=headers).status_code == 200
    assert locked.client.get("/metrics", headers=headers).status_code == 200
    assert locked.client.get("/api/v1/symbols", query_string={"token": TOKEN}).status_code == 401


@pytest.mark.parametrize("given", ["bearer ", "BEARER ", "Bearer   "])
def test_the_scheme_is_read_in_any_case_and_spaces_may_follow(locked: Api, given: str) -> None:
    headers = {"Authorization": (given + TOKEN).encode().decode("latin-1")}
    assert locked.client.get("/api/v1/symbols", headers=headers).status_code == 200


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:8080", "127.0.0.1:8080", "127.8.9.1", "[::1]:8080", "a.localhost."]
)
def test_without_a_token_this_machine_is_answered(api: Api, host: str) -> None:
    assert api.client.get("/api/v1/symbols", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "10.0.0.1", "localhost.evil.example", "[::2]", "0.0.0.0"]
)
def test_without_a_token_another_name_is_not_answered(make_api: MakeApi, host: str) -> None:
    """A page whose name was pointed at this machine reads nothing."""
    api = make_api(allowed_hosts=("Tape.example",))
    for path in ("/api/v1/symbols", "/healthz", "/nope"):
        reply = api.client.get(path, headers={"Host": host})
        assert (reply.status_code, json.loads(reply.data)["error"]["code"]) == (421, "misdirected")
        assert not api.undescribed(path, 421, reply.mimetype, reply.data)
    assert api.client.get("/api/v1/symbols", headers={"Host": "tape.example:80"}).status_code == 200


def test_with_a_token_any_name_is_answered(locked: Api) -> None:
    headers = {"Authorization": f"Bearer {TOKEN}".encode().decode("latin-1"), "Host": "tape.example"}
    assert locked.client.get("/api/v1/symbols", headers=headers).status_code == 200


FOREIGN: list[dict[str, str]] = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:1"},
    {"Sec-Fetch-Site": "cross-site", "Origin": "http://evil.example"},
    {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"},
]
OWN: list[dict[str, str]] = [
    {"Origin": "http://localhost"},
    {"Sec-Fetch-Site": "none"},
    {"Sec-Fetch-Site": "same-origin", "Origin": "https://behind.a.proxy"},
    {"Sec-Fetch-Site": "same-site", "Origin": "http://grafana:3000"},
]


@pytest.mark.parametrize("headers", FOREIGN)
def test_pages_of_other_sites_are_refused(make_api: MakeApi, headers: dict[str, str]) -> None:
    api = make_api(cors_origins=("http://grafana:3000",))
    for path in ("/api/v1/symbols", "/healthz", "/docs"):
        reply = api.client.get(path, headers=headers)
        assert (reply.status_code, json.loads(reply.data)["error"]["code"]) == (403, "cross_site")
        assert not api.undescribed(path, 403, reply.mimetype, reply.data) or path == "/docs"


@pytest.mark.parametrize("headers", OWN)
def test_own_and_allowed_pages_are_answered(make_api: MakeApi, headers: dict[str, str]) -> None:
    api = make_api(cors_origins=("http://grafana:3000",))
    assert api.client.get("/api/v1/symbols", headers=headers).status_code == 200


def test_a_link_of_another_site_may_lead_to_a_page_and_to_nothing_else(api: Api) -> None:
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert api.client.get("/docs", headers=link).status_code == 200
    assert api.client.get("/api/v1/symbols", headers=link).status_code == 403


def test_a_doubled_slash_is_one_and_never_a_redirect(api: Api) -> None:
    for path in ("/api/v1//symbols", "/.//api/v1/symbols", "//api/././v1/symbols"):
        assert api.client.get("/", environ_overrides={"PATH_INFO": path}).json == []
    for path in ("//evil.example/", "/api//v1///nope", "//evil.example//%2e%2e"):
        reply = api.client.get("/", environ_overrides={"PATH_INFO": path})
        assert reply.status_code == 404
        assert "Location" not in reply.headers


@pytest.mark.parametrize(
    ("socket", "forwarded", "client"),
    [
        ("10.0.0.9", "192.0.2.1, 192.0.2.7", "192.0.2.7"),
        ("10.0.0.9", "192.0.2.7, 10.0.0.8", "192.0.2.7"),
        ("10.0.0.9", "nobody", "10.0.0.9"),
        ("10.0.0.9", "", "10.0.0.9"),
        ("192.0.2.1", "192.0.2.7", "192.0.2.1"),
    ],
)
def test_only_a_trusted_proxy_is_believed_who_asks(make_api: MakeApi, socket: str, forwarded: str, client: str) -> None:
    api = make_api(limits=Limits(trusted_proxies=("10.0.0.9", "10.0.0.8")))
    seen: list[str | None] = []
    with request_started.connected_to(lambda app: seen.append(request.remote_addr), api.app):
        api.client.get("/healthz", headers={"X-Forwarded-For": forwarded}, environ_base={"REMOTE_ADDR": socket})
    assert seen == [client]


def test_without_a_token_set_none_is_asked_for(api: Api) -> None:
    assert api.client.get("/api/v1/symbols").status_code == 200


def test_answers_carry_the_headers_that_protect_in_a_browser(api: Api) -> None:
    for path in ("/api/v1/symbols", "/docs", "/nope", "/healthz"):
        headers = api.client.get(path).headers
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["Cache-Control"] == "no-store"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_only_listed_origins_may_read(make_api: MakeApi) -> None:
    client = make_api(cors_origins=("http://grafana:3000", "http://b"), token=TOKEN).client
    preflight = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    allowed = client.options("/api/v1/symbols", headers={"Origin": "http://grafana:3000", **preflight})
    assert allowed.status_code == 200
    assert allowed.headers["Access-Control-Allow-Origin"] == "http://grafana:3000"
    assert "authorization" in allowed.headers["Access-Control-Allow-Headers"].lower()
    for origin in ("http://evil", "http://grafana:3001", "null"):
        reply = client.options("/api/v1/symbols", headers={"Origin": origin, **preflight})
        assert "Access-Control-Allow-Origin" not in reply.headers
    assert "Access-Control-Allow-Credentials" not in allowed.headers


def test_large_answers_are_packed_for_whoever_takes_that(api: Api, redis: Redis) -> None:
    write_bars(redis, [Bar("AAPL", 1_760_103_000_000 + i * 1000, 1, 1, 1, 1, 1, 1) for i in range(50)])
    path = "/api/v1/candles?symbol=AAPL&timeframe=1s"
    plain = api.client.get(path)
    packed = api.client.get(path, headers={"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert packed.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(packed.data) == plain.data
    assert int(packed.headers["Content-Length"]) == len(packed.data) < len(plain.data)
    assert "Accept-Encoding" in plain.headers["Vary"]
    refused = api.client.get(path, headers={"Accept-Encoding": "gzip;q=0"})
    small = api.client.get("/healthz", headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in refused.headers
    assert "Content-Encoding" not in small.headers


def test_refusals_by_the_protocol_are_error_objects_too(api: Api) -> None:
    cases = {
        404: api.client.get("/api/v1/nothing"),
        405: api.client.post("/api/v1/candles"),
    }
    for status, reply in cases.items():
        assert reply.status_code == status
        error = json.loads(reply.data)["error"]
        assert error["code"]
        assert error["message"]
    assert "GET" in cases[405].headers["Allow"]


def test_an_unexpected_error_is_logged_and_its_trace_is_not_answered(
    api: Api, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("rest_bridge.market.read_movers", {}.__getitem__)
    reply = api.client.get("/api/v1/movers")
    assert reply.status_code == 500
    assert json.loads(reply.data) == {
        "error": {"code": "internal", "message": "an error on our side; it has been logged"}
    }
    assert "Traceback" in caplog.text


def test_a_key_of_another_type_is_an_error_or_read_around(
    api: Api, redis: Redis, caplog: pytest.LogCaptureFixture
) -> None:
    redis.set(keys.SYMBOLS, "x")
    status, body = api("symbols")
    assert (status, body["error"]["code"]) == (503, "store_refused")
    assert "WRONGTYPE" in caplog.text
    redis.set(keys.series("AAPL", "1m", "close"), "x")
    assert api("candles", symbol="AAPL") == (200, [])


def test_without_redis_everything_else_goes_on(make_api: MakeApi, tmp_path: Path) -> None:
    api = make_api(redis_url=f"unix://{tmp_path}/none.sock")
    assert api("/healthz") == (200, {"status": "ok"})
    for path, item in api.spec["paths"].items():
        needed = {p["name"]: p["example"] for p in item["get"]["parameters"] if p["required"]}
        status, body = api(path, **needed)
        if "503" in item["get"]["responses"]:
            assert (status, body["error"]["code"]) == (503, "store_unavailable"), path
        else:
            assert status == 200, path


def test_a_redis_that_is_unreachable_is_one_line_however_many_ask(
    make_api: MakeApi, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    api = make_api(redis_url=f"unix://{tmp_path}/none.sock")
    for path in ("/readyz", "/api/v1/symbols", "/healthz", "/readyz") * 5:
        api(path)
    assert [r.getMessage()[:20] for r in caplog.records if r.levelname == "WARNING"] == ["Redis is unreachable"]


def test_ready_means_redis_and_ingest(api: Api, redis: Redis) -> None:
    status, body = api("/readyz")
    assert (status, body["error"]["code"]) == (503, "not_ready")
    redis.set(keys.metrics("ingest"), "", ex=15)
    assert api("/readyz") == (200, {"status": "ready"})


@pytest.mark.parametrize(
    ("statistic", "fine", "wrong"), [("waiting_ms", 29_000, 31_000), ("clock_behind_ms", 0, 18_000)]
)
def test_ready_means_that_bars_reach_the_store(api: Api, redis: Redis, statistic: str, fine: int, wrong: int) -> None:
    redis.set(keys.metrics("ingest"), "", ex=15)
    for at, value, expected in ((1_000, fine, 200), (2_000, wrong, 503), (3_000, fine, 200)):
        redis.execute_command("TS.ADD", keys.stat(statistic), at, value)
        assert api("/readyz")[0] == expected


def test_metrics_tell_of_every_process(api: Api, redis: Redis) -> None:
    from prometheus_client import CollectorRegistry, Counter

    registry = CollectorRegistry()
    Counter("tapewatch_bars", "Bars.", registry=registry).inc(7)
    publish(redis, "ingest", registry)
    assert "ingest" in PROCESSES
    api.client.get("/api/v1/symbols")
    for path in ("/a", "/b", "/c"):
        api.client.get(path)
    status, text = api("/metrics")
    assert status == 200
    assert 'tapewatch_bars_total{process="ingest"} 7.0' in text
    assert 'tapewatch_http_requests_total{path="/api/v1/symbols",process="bridge",status="200"} 1.0' in text
    assert 'tapewatch_http_requests_total{path="other",process="bridge",status="404"} 3.0' in text
