"""The application on a real Redis; every answer is held against the OpenAPI description."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from redis import Redis

from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from tests.rest_bridge.described import problems


class Api:
    """`api(path, **query)` answers (status, parsed body); `from_` is sent as `from`."""

    def __init__(self, config: BridgeConfig) -> None:
        self.app = create_app(config)
        self.app.testing = False
        self.client = self.app.test_client()
        self.spec: dict[str, Any] = json.loads(self.client.get("/openapi.json").data)

    def __call__(self, path: str, /, **query: Any) -> tuple[int, Any]:
        full = path if path.startswith("/") else f"/api/v1/{path}"
        reply = self.client.get(full, query_string={k.rstrip("_"): v for k, v in query.items()})
        assert not self.undescribed(full, reply.status_code, reply.mimetype, reply.data)
        return reply.status_code, json.loads(reply.data) if reply.is_json else reply.text

    def rows(self, path: str, /, **query: Any) -> Any:
        status, body = self(path, **query)
        assert status == 200, body
        return body

    def refused(self, path: str, /, **query: Any) -> str:
        """The message of the error, which must be a bad request."""
        status, body = self(path, **query)
        assert status == 400, body
        return str(body["error"]["message"])

    def undescribed(self, path: str, status: int, media: str, body: bytes) -> list[str]:
        """What of an answer is not in the description."""
        if path not in self.spec["paths"]:
            return []
        response = self.spec["paths"][path]["get"]["responses"].get(str(status))
        if response is None:
            return [f"{path}: status {status} is not described"]
        if "$ref" in response:
            response = self.spec["components"]["responses"][response["$ref"].rpartition("/")[2]]
        if media not in response["content"]:
            return [f"{path}: {media} is not described"]
        value = json.loads(body, parse_constant=_refuse) if media == "application/json" else body.decode()
        return problems(value, response["content"][media]["schema"], self.spec)


def _refuse(constant: str) -> None:
    raise AssertionError(f"{constant} in an answer")


MakeApi = Callable[..., Api]


@pytest.fixture
def make_api(redis: Redis, redis_url: str) -> MakeApi:
    """Makes an Api with settings of its own."""

    def make(**changes: Any) -> Api:
        return Api(replace(BridgeConfig(redis_url), **changes))

    return make


@pytest.fixture
def api(make_api: MakeApi) -> Api:
    return make_api()
