"""The description is complete, and true."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

from redis import Redis

from market.bar import Bar
from rest_bridge.parameters import MAX_INTEGER
from tests.rest_bridge.conftest import Api
from tests.support import write_bars


def test_every_path_is_described_and_every_described_path_is_there(api: Api) -> None:
    assert {rule.rule for rule in api.app.url_map.iter_rules()} == set(api.spec["paths"])
    assert api.spec["openapi"] == "3.1.0"


def test_the_paths_of_the_contract_are_there(api: Api) -> None:
    below = "candles indicators velocity movers movers/candles symbols"
    below += " alerts alerts/summary annotations gaps stats stats/series"
    expected = {f"/api/v1/{name}" for name in below.split()} | {
        "/healthz",
        "/readyz",
        "/metrics",
        "/openapi.json",
        "/docs",
    }
    assert expected <= set(api.spec["paths"])


def test_operations_are_complete(api: Api) -> None:
    ids = [item["get"]["operationId"] for item in api.spec["paths"].values()]
    assert len(ids) == len(set(ids))
    tags = {tag["name"] for tag in api.spec["tags"]}
    for path, item in api.spec["paths"].items():
        operation = item["get"]
        assert set(operation["tags"]) <= tags
        assert operation["summary"], path
        assert operation["responses"]["200"]["content"], path
        for response in operation["responses"].values():
            name = response.get("$ref", "").rpartition("/")[2]
            assert not name or name in api.spec["components"]["responses"]
        for parameter in operation["parameters"]:
            assert parameter["description"], path
            assert parameter["schema"]["type"] in ("string", "integer", "boolean")


def test_examples_and_bounds_of_parameters_are_accepted(api: Api, redis: Redis) -> None:
    write_bars(redis, [Bar("AAPL", 1_760_103_000_000, 1, 1, 1, 1, 1, 1)])
    for path, item in api.spec["paths"].items():
        parameters = item["get"]["parameters"]
        needed = {p["name"]: p["example"] for p in parameters if p["required"]}
        for p in parameters:
            schema = p["schema"]
            tried = [schema.get("minimum"), schema.get("maximum"), schema.get("default"), *schema.get("enum", [])]
            for value in [v for v in (*tried, p.get("example")) if v is not None]:
                query = needed | {p["name"]: str(value).lower() if isinstance(value, bool) else value}
                if p["name"] == "from":
                    query["to"] = MAX_INTEGER
                if "by" in query or "order" in query:
                    query["order"] = "desc" if "by" in query else query["order"]
                status, body = api(path, **query)
                assert status == 200, (path, query, body)


def test_numbers_beyond_the_described_bounds_are_refused(api: Api) -> None:
    for path, item in api.spec["paths"].items():
        needed = {p["name"]: p["example"] for p in item["get"]["parameters"] if p["required"]}
        for p in item["get"]["parameters"]:
            if p["schema"]["type"] == "integer":
                for value in (p["schema"]["minimum"] - 1, p["schema"]["maximum"] + 1):
                    assert p["name"] in api.refused(path, **(needed | {p["name"]: value}))


def test_the_readable_page_shows_every_path_and_loads_nothing(api: Api) -> None:
    reply = api.client.get("/docs")
    assert reply.mimetype == "text/html"
    assert "script-src" not in reply.headers["Content-Security-Policy"]
    assert re.search(r"default-src 'none'; style-src 'sha256-", reply.headers["Content-Security-Policy"])
    links: list[str] = []
    opened: list[str] = []

    class Links(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            opened.append(tag)
            links.extend(value or "" for name, value in attrs if name in ("href", "src"))

    Links().feed(reply.text)
    assert [link for link in links if not link.startswith("#")] == ["openapi.json"]
    assert not {"script", "img", "link", "iframe"} & set(opened)
    for path in api.spec["paths"]:
        assert f"</span> {path}</h3>" in reply.text
    assert "`" not in re.sub(r"<pre>.*?</pre>", "", reply.text, flags=re.S)
    assert api.client.get("/").data == reply.data


def test_page_and_description_lead_to_where_they_were_asked(api: Api) -> None:
    """Behind a proxy, on another port, under a sub-path: nothing leads back to an address of our own."""
    page = api.client.get("/docs", headers={"Host": "127.0.0.1:9001"}).text
    assert set(re.findall(r"https?://[^/' &]+", page)) == {"http://127.0.0.1:9001"}
    assert api.spec["servers"] == [{"url": "./"}]
    injected = api.client.get("/docs", headers={"Host": "localhost:<b>"}).text
    assert "<b>" not in injected


def test_the_document_is_the_one_that_is_answered(api: Api) -> None:
    reply = api.client.get("/openapi.json")
    assert json.loads(reply.data)["info"]["title"] == "tapewatch"
    assert reply.mimetype == "application/json"
