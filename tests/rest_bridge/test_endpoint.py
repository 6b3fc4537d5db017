"""A path with words in it and a body, declared as any other."""

from __future__ import annotations

import json
from typing import Annotated, Any

import msgspec
import pytest
from flask.testing import FlaskClient
from msgspec import Meta
from redis import Redis

from rest_bridge import parameters as p
from rest_bridge.answers import Answer
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from rest_bridge.endpoint import Context, Endpoint
from tests.rest_bridge.described import problems


class NoteQuery(p.Parameters):
    name: Annotated[str, p.text(p.read_word, "The note's name.", "mine")]
    loud: Annotated[bool, Meta(description="`1`: in capitals.")] = False


class Note(msgspec.Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(max_length=20)]


class Kept(Answer):
    name: str
    text: str


def keep(context: Context, q: NoteQuery, body: Note) -> Kept:
    return Kept(q.name, body.text.upper() if q.loud else body.text)


def recall(context: Context, q: NoteQuery) -> Kept:
    return Kept(q.name, "")


NOTES = (
    Endpoint("/api/v1/notes/<name>", keep, "Keeps a note", method="PUT"),
    Endpoint("/api/v1/notes/<name>", recall, "A note"),
)


@pytest.fixture
def client(redis: Redis, redis_url: str) -> FlaskClient:
    return create_app(BridgeConfig(redis_url), NOTES).test_client()


@pytest.fixture
def spec(client: FlaskClient) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(client.get("/openapi.json").data)
    return found


def test_a_body_is_a_struct_and_a_word_of_the_path_a_parameter(client: FlaskClient) -> None:
    reply = client.put("/api/v1/notes/mine?loud=1", json={"text": "hello"})
    assert (reply.status_code, reply.json) == (200, {"name": "mine", "text": "HELLO"})
    for name in ("mine", "yours"):
        assert client.get(f"/api/v1/notes/{name}").json == {"name": name, "text": ""}


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        ({"data": b"{", "content_type": "application/json"}, 400, "bad_body"),
        ({"json": {"text": "x" * 21}}, 400, "bad_body"),
        ({"json": {"text": "x", "more": 1}}, 400, "bad_body"),
        ({"json": {}}, 400, "bad_body"),
        ({"data": b'{"text": "x"}', "content_type": "text/plain"}, 415, "unsupported_media_type"),
        ({"data": b'{"text": "x"}'}, 415, "unsupported_media_type"),
    ],
)
def test_a_body_that_cannot_be_used_is_refused(
    client: FlaskClient, spec: dict[str, Any], sent: dict[str, Any], status: int, code: str
) -> None:
    reply = client.put("/api/v1/notes/mine", **sent)
    assert (reply.status_code, json.loads(reply.data)["error"]["code"]) == (status, code)
    assert str(status) in spec["paths"]["/api/v1/notes/{name}"]["put"]["responses"]


def test_names_of_the_path_are_read_like_parameters(client: FlaskClient) -> None:
    assert client.get("/api/v1/notes/a%7Bb").status_code == 400
    assert client.get("/api/v1/notes/mine?name=yours").status_code == 400


def test_it_is_described(client: FlaskClient, spec: dict[str, Any]) -> None:
    item = spec["paths"]["/api/v1/notes/{name}"]
    assert [(q["name"], q["in"], q["required"]) for q in item["put"]["parameters"]] == [
        ("name", "path", True),
        ("loud", "query", False),
    ]
    body = item["put"]["requestBody"]["content"]["application/json"]["schema"]
    assert problems({"text": "x"}, body, spec) == []
    assert problems({}, body, spec) == ["$: text is missing"]
    assert "requestBody" not in item["get"]
    page = client.get("/docs").text
    assert "PUT</span> /api/v1/notes/{name}" in page
