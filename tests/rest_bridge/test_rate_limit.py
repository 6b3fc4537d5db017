"""How often one client may ask."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest_bridge import rate_limit
from rest_bridge.rate_limit import RateLimiter
from tests.rest_bridge.conftest import Api, MakeApi


class Watch:
    def __init__(self) -> None:
        self.s = 1000.0

    def __call__(self) -> float:
        return self.s


@given(st.floats(0.1, 50), st.lists(st.tuples(st.floats(0, 3), st.integers(1, 20)), min_size=1, max_size=40))
def test_no_span_holds_more_than_a_burst_and_the_rate(rate: float, asked: list[tuple[float, int]]) -> None:
    watch = Watch()
    limiter = RateLimiter(rate, now=watch)
    began, granted = watch.s, 0
    for pause, times in asked:
        watch.s += pause
        for _ in range(times):
            granted += limiter.wait("a") == 0.0
        assert granted <= max(1.0, rate) + (watch.s - began) * rate + 1e-6


@given(st.floats(0.1, 1000), st.integers(1, 50))
def test_whoever_waits_so_long_is_let_in(rate: float, times: int) -> None:
    watch = Watch()
    limiter = RateLimiter(rate, now=watch)
    for _ in range(times):
        seconds = limiter.wait("a")
        if seconds:
            watch.s += seconds + 1e-6
            assert limiter.wait("a") == 0.0


def test_each_client_has_its_own() -> None:
    limiter = RateLimiter(2, now=Watch())
    assert [limiter.wait("10.0.0.1") for _ in range(3)] == [0.0, 0.0, 0.5]
    assert limiter.wait("10.0.0.2") == 0.0


def test_an_ipv6_network_is_one_client_and_a_mapped_ipv4_address_another() -> None:
    limiter = RateLimiter(1, now=Watch())
    assert limiter.wait("2001:db8:0:1::1") == 0.0
    assert limiter.wait("2001:db8:0:1:ffff::2") > 0
    assert limiter.wait("2001:db8:0:2::1") == 0.0
    assert limiter.wait("fe80::1%eth0") == 0.0
    assert limiter.wait("::ffff:10.0.0.1") == 0.0
    assert limiter.wait("::ffff:10.0.0.2") == 0.0
    assert limiter.wait("not:an:address") == 0.0


def test_the_table_forgets_who_was_silent_longest() -> None:
    limiter = RateLimiter(1, clients=3, now=Watch())
    for client in "abcda":
        limiter.wait(client)
    assert len(limiter) == 3
    assert limiter.wait("d") > 0
    assert limiter.wait("b") == 0.0  # forgotten, so it starts with a full bucket


def test_many_rows_cost_more_than_one_request(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    real = rate_limit.RateLimiter
    monkeypatch.setattr(rate_limit, "RateLimiter", lambda rate: real(rate, now=watch))
    api = make_api(rate_limit=4)
    symbols = ",".join(f"S{i}" for i in range(50))
    for heavy, paid_after_s in ((f"candles?symbol={symbols}", 2.0), ("candles?symbol=A", 0.0)):
        assert api.client.get(f"/api/v1/{heavy}").status_code == 200  # 50,000 rows at most: ten of the limit
        watch.s += paid_after_s - 0.3
        light = api.client.get("/api/v1/symbols")
        assert light.status_code == (429 if paid_after_s else 200)
        watch.s += 5


def test_a_debt_is_paid_at_the_rate() -> None:
    watch = Watch()
    limiter = RateLimiter(4, now=watch)
    assert limiter.wait("a") == 0.0
    limiter.charge("a", 9)
    assert limiter.wait("a") == pytest.approx(7 / 4)
    assert limiter.wait("b") == 0.0
    watch.s += 7 / 4
    assert limiter.wait("a") == 0.0


def test_an_error_says_when_to_come_again(make_api: MakeApi, monkeypatch: pytest.MonkeyPatch) -> None:
    watch = Watch()
    real = rate_limit.RateLimiter
    monkeypatch.setattr(rate_limit, "RateLimiter", lambda rate: real(rate, now=watch))
    api: Api = make_api(rate_limit=0.25, token="t0ken-long")
    headers = {"Authorization": "Bearer t0ken-long"}
    far = {"REMOTE_ADDR": "192.0.2.7"}
    assert api.client.get("/api/v1/symbols", headers=headers, environ_base=far).status_code == 200
    # Guessing tokens or paths is limited, too.
    for path, given_ in (("/api/v1/symbols", headers), ("/api/v1/symbols", {}), ("/nope", {}), ("/openapi.json", {})):
        reply = api.client.get(path, headers=given_, environ_base=far)
        assert reply.status_code == 429
        assert reply.headers["Retry-After"] == "4"
        assert reply.headers["X-Content-Type-Options"] == "nosniff"
        assert json.loads(reply.data)["error"]["code"] == "too_many_requests"
        assert not api.undescribed(path, 429, reply.mimetype, reply.data)
    for path in ("/healthz", "/readyz"):
        assert api.client.get(path, environ_base=far).status_code != 429
    assert (
        api.client.get("/api/v1/symbols", headers=headers, environ_base={"REMOTE_ADDR": "192.0.2.8"}).status_code == 200
    )
    watch.s += 4
    assert api.client.get("/api/v1/symbols", headers=headers, environ_base=far).status_code == 200


def test_what_is_limited_says_so_in_the_description(api: Api) -> None:
    limited = {path for path, item in api.spec["paths"].items() if "429" in item["get"]["responses"]}
    assert set(api.spec["paths"]) - limited == {"/healthz", "/readyz"}
    assert "Retry-After" in api.spec["components"]["responses"]["TooManyRequests"]["headers"]
