"""The OpenAPI 3.1 description, made of the endpoints that are really there."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rest_bridge import schemas
from rest_bridge.endpoint import Endpoint
from rest_bridge.parameters import Parameter

_TAGS = {
    "charts": "Candles and what is computed from them",
    "market": "The market as a whole",
    "alerts": "What happened",
    "operations": "For whoever runs it",
}
_ABOUT = (
    "Candles, indicators, velocity and alerts of the US stock tape. Times are epoch milliseconds UTC, prices are real "
    "numbers, what is not known is null; rows ascend by time, and a well-formed symbol that was never seen has none. "
    'Every refusal is `{"error": {"code", "message"}}`. Unknown or repeated parameters are refused; an empty one '
    "counts as not given. Where a token is set it is sent as `Authorization: Bearer …`."
)
_ERRORS = {
    "400": ("BadRequest", "a parameter is missing, unknown or cannot be used"),
    "401": ("Unauthorized", "the token is missing or not the right one"),
    "403": ("Forbidden", "a browser says that a page of another site asks, whose origin is not allowed"),
    "404": ("NotFound", "there is no such path"),
    "405": ("MethodNotAllowed", "only GET is answered"),
    "413": ("TooLarge", "the request's body is too large"),
    "421": ("Misdirected", "no token is set, and Host names neither loopback nor an allowed host"),
    "429": ("TooManyRequests", "more requests a second from one address than are answered"),
    "500": ("Internal", "an error on our side, which has been logged"),
    "503": ("Unavailable", "the store (Redis) does not answer, or what is asked for is not ready"),
}


def describe(endpoints: Iterable[Endpoint], version: str) -> dict[str, Any]:
    """The document that /openapi.json answers."""
    responses: dict[str, dict[str, Any]] = {
        name: {"description": text, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}}
        for name, text in _ERRORS.values()
    }
    responses["TooManyRequests"]["headers"] = {
        "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "tapewatch", "version": version, "description": _ABOUT},
        "servers": [{"url": "."}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": {endpoint.path: {"get": _operation(endpoint)} for endpoint in endpoints},
        "components": {
            "schemas": {"Error": schemas.ERROR},
            "responses": responses,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(endpoint: Endpoint) -> dict[str, Any]:
    words = [word for word in endpoint.path.replace("/api/v1", "").replace(".", "/").split("/") if word]
    statuses = ["400", "403", "405", "413", "421", "500"]
    statuses += [] if endpoint.open else ["401"]
    statuses += [] if endpoint.unlimited else ["429"]
    statuses += ["503"] if endpoint.store else []
    answer = {"description": endpoint.summary, "content": {endpoint.media: {"schema": endpoint.schema}}}
    return {
        "operationId": "_".join(words) or "root",
        "summary": endpoint.summary,
        "description": endpoint.description or endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [_parameter(p) for p in endpoint.parameters],
        "security": [] if endpoint.open else [{"token": []}],
        "responses": {
            "200": answer,
            **{status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in sorted(statuses)},
        },
    }


def _parameter(p: Parameter) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": p.name,
        "in": "query",
        "required": p.required,
        "description": p.description,
        "schema": dict(p.schema),
    }
    if p.example is not None:
        described["example"] = p.example
    return described
