"""The readable page: as the bridge is right now, with samples of the running market; and what unknown paths answer."""

from __future__ import annotations

import html
import json
import re

import pytest
from redis import Redis

from market.bar import Bar
from tests.rest_bridge.conftest import Api, MakeApi
from tests.support import write_bars

T0 = 1_760_103_000_000
TOKEN = "a token of thirty-two characters!"


@pytest.fixture
def market(redis: Redis) -> None:
    write_bars(
        redis, [Bar("ZVZ", T0 + s * 1000, 1_000_000, 1_000_000, 1_000_000, 1_000_000, 5, 5_000_000) for s in range(90)]
    )


def shown(page: str) -> str:
    return html.unescape(page)


@pytest.mark.usefixtures("market")
def test_samples_are_answers_of_the_running_market(api: Api) -> None:
    page = shown(api.client.get("/docs", headers={"Host": "127.0.0.1:9001"}).text)
    assert "curl 'http://127.0.0.1:9001/api/v1/candles?symbol=ZVZ&timeframe=1m'" in page
    rows = api.client.get("/api/v1/candles?symbol=ZVZ&timeframe=1m&limit=2").data
    samples = [json.loads(text) for text in re.findall(r"<pre>(\[.*?\])</pre>", page, re.DOTALL)]
    assert json.loads(rows) in samples
    assert [{"symbol": "ZVZ"}] in samples
    assert "white-space: pre-wrap" in page


@pytest.mark.usefixtures("market")
def test_with_a_token_samples_are_for_those_who_have_it(make_api: MakeApi) -> None:
    api = make_api(token=TOKEN)
    page = shown(api.client.get("/docs").text)
    assert '-H "Authorization: Bearer $TAPEWATCH_TOKEN"' in page
    assert "ZVZ" not in page
    assert TOKEN not in page
    assert "ZVZ" in api.client.get("/docs", headers={"Authorization": f"Bearer {TOKEN}"}).text


def test_without_a_token_none_is_shown(api: Api) -> None:
    assert "Authorization: Bearer $" not in shown(api.client.get("/docs").text)


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("/api/v1/candle", "/api/v1/candles"),
        ("/candles", "/api/v1/candles"),
        ("/api/v1/stats/serie", "/api/v1/stats/series"),
        ("/healthy", "/healthz"),
    ],
)
def test_an_unknown_path_names_the_nearest_and_all(api: Api, path: str, nearest: str) -> None:
    reply = api.client.get(path)
    message = reply.json["error"]["message"] if reply.json else ""
    assert reply.status_code == 404
    assert f"the nearest is {nearest}. There are " in message
    assert set(api.spec["paths"]) <= set(message.split())


def test_a_path_that_is_near_none_is_only_told_all(api: Api) -> None:
    message = api.client.get("/\x1b[31m" + "q" * 500).json["error"]["message"]  # type: ignore[index]
    assert "nearest" not in message
    assert "\x1b" not in message
    assert "q" * 90 not in message


def test_another_method_is_answered_with_those_that_are_taken(api: Api) -> None:
    reply = api.client.post("/api/v1/candles")
    assert reply.status_code == 405
    assert reply.json == {
        "error": {"code": "method_not_allowed", "message": "POST is not taken here, but GET, HEAD, OPTIONS"}
    }
