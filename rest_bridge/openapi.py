"""The OpenAPI 3.1 description, made of the endpoints that are really there."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import msgspec

from rest_bridge.answers import Error
from rest_bridge.endpoint import Endpoint
from rest_bridge.parameters import Parameter

#: A part of the document: JSON.
Node = dict[str, Any]

_PLACE = re.compile(r"<(\w+)>")
_WORDS = re.compile(r"\w+")
_TAGS = {
    "charts": "Candles and what is computed from them",
    "market": "The market as a whole",
    "alerts": "What happened",
    "operations": "For operators",
}
_ABOUT = (
    "Candles, indicators, velocity and alerts of the US stock tape. Times are epoch milliseconds UTC, prices are decimal "
    "numbers, what is not known is null; rows ascend by time, and a well-formed symbol that was never seen has none. "
    'Every error is `{"error": {"code", "message"}}`. Unknown or repeated parameters are refused; an empty one '
    "counts as not given. Where a token is set it is sent as `Authorization: Bearer …`."
)
_ERRORS = {
    "400": ("BadRequest", "a parameter is missing, unknown or cannot be used"),
    "401": ("Unauthorized", "the token is missing or not the right one"),
    "403": ("Forbidden", "the request comes from a page of another site whose origin is not allowed"),
    "404": ("NotFound", "there is no such path"),
    "405": ("MethodNotAllowed", "the path does not take this method"),
    "413": ("TooLarge", "the request's body is too large"),
    "415": ("UnsupportedMediaType", "the body is not sent as application/json"),
    "421": ("Misdirected", "no token is set, and Host names neither loopback nor an allowed host"),
    "429": ("TooManyRequests", "more requests a second from one address than are answered"),
    "500": ("Internal", "an error on our side, which has been logged"),
    "503": ("Unavailable", "the store (Redis) does not answer, or what is asked for is not ready"),
}


#: Headers of lists: with which parameter, and what they tell.
_HEADERS = {
    "Link": ("cursor", "where rows are left out: the address of the next (newer) or prev (older) ones"),
    "X-Symbol": ("symbol", "the symbols as they are written, where one was not known as asked for"),
    "X-Timeframe": ("points", "the timeframe that was chosen for `auto`"),
}
_REF = "#/components/schemas/{name}"


def describe(endpoints: Sequence[Endpoint], version: str) -> Node:
    """The document that /openapi.json answers."""
    responses: dict[str, Node] = {
        name: {"description": text, "content": {"application/json": {"schema": {"$ref": _REF.format(name="Error")}}}}
        for name, text in _ERRORS.values()
    }
    responses["TooManyRequests"]["headers"] = {
        "Retry-After": {"description": "seconds to wait", "schema": {"type": "integer", "minimum": 1}}
    }
    bodies = [endpoint for endpoint in endpoints if endpoint.body_type is not None]
    types = [*(e.answer_type for e in endpoints), *(e.body_type for e in bodies), Error]
    schemas, components = msgspec.json.schema_components(types, schema_hook=_text, ref_template=_REF)
    bodies_schemas = dict(zip((id(e) for e in bodies), schemas[len(endpoints) :], strict=False))
    paths: dict[str, Node] = {}
    for endpoint, schema in zip(endpoints, schemas, strict=False):
        path = _PLACE.sub(r"{\1}", endpoint.path)
        operation = _operation(endpoint, schema, bodies_schemas.get(id(endpoint)))
        paths.setdefault(path, {})[endpoint.method.lower()] = operation
    return {
        "openapi": "3.1.0",
        "info": {"title": "tapewatch", "version": version, "description": _ABOUT},
        "servers": [{"url": "./"}],
        "tags": [{"name": name, "description": text} for name, text in _TAGS.items()],
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": responses,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _text(kind: type) -> Node:
    """What an endpoint answers that writes its text itself (a Response)."""
    return {"type": "string"}


def _operation(endpoint: Endpoint, schema: Node, body: Node | None) -> Node:
    words = _WORDS.findall(endpoint.path.removeprefix("/api/v1"))
    if endpoint.method != "GET":
        words.insert(0, endpoint.method.lower())
    statuses = ["400", "403", "405", "413", "421", "500"]
    statuses += [] if endpoint.open else ["401"]
    statuses += [] if endpoint.unlimited else ["429"]
    statuses += ["503"] if endpoint.store or endpoint.queued else []
    statuses += ["415"] if body else []
    operation: Node = {
        "operationId": "_".join(words) or "root",
        "summary": endpoint.summary,
        "description": endpoint.description or endpoint.summary,
        "tags": [endpoint.tag],
        "parameters": [_parameter(p, endpoint.path) for p in endpoint.parameters],
        "security": [] if endpoint.open else [{"token": []}],
        "responses": {
            "200": _success(endpoint, schema),
            **{status: {"$ref": f"#/components/responses/{_ERRORS[status][0]}"} for status in sorted(statuses)},
        },
    }
    if body:
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": body}}}
    return operation


def _success(endpoint: Endpoint, schema: Node) -> Node:
    content: Node = {endpoint.media: {"schema": schema}}
    if endpoint.row_type is None:
        return {"description": endpoint.summary, "content": content}
    names = {p.name for p in endpoint.parameters}
    headers = {
        name: {"description": text, "schema": {"type": "string"}}
        for name, (parameter, text) in _HEADERS.items()
        if parameter in names
    }
    content |= {"text/csv": {"schema": {"type": "string"}}}
    return {"description": endpoint.summary, "headers": headers, "content": content}


def _parameter(p: Parameter, path: str) -> Node:
    in_path = f"<{p.name}>" in path
    described: Node = {
        "name": p.name,
        "in": "path" if in_path else "query",
        "required": p.required or in_path,
        "description": p.description,
        "schema": p.schema,
    }
    if p.example is not None:
        described["example"] = p.example
    return described
