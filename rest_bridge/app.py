"""The REST API as a WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Request, Response, request
from werkzeug.routing import MapAdapter

from redis_functions.read.alerts import AlertLog
from redis_functions.server.connection import connect_reader
from rest_bridge import (
    alerts,
    charts,
    compression,
    cross_origin,
    difference,
    docs,
    errors,
    gaps,
    health,
    indicators,
    market,
    patterns,
    quote,
    rate_limit,
    security,
)
from rest_bridge.config import BridgeConfig
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import ApiError, bad_request
from rest_bridge.metrics import Metrics
from rest_bridge.openapi import describe
from rest_bridge.page import Page
from rest_bridge.parameters import Parameters, read
from rest_bridge.single_flight import SingleFlight, Written
from rest_bridge.work_queue import WorkQueue

#: Writes JSON.
encode = msgspec.json.Encoder().encode

#: A new path is an Endpoint in the tuple of its subject's module.
_SUBJECTS = (charts, indicators, difference, patterns, quote, market, alerts, gaps, health)
ENDPOINTS = tuple(endpoint for subject in _SUBJECTS for endpoint in subject.ENDPOINTS)


class _App(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # no function here is a coroutine; Flask would look at each of a request's six

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        if request is None:
            return super().create_url_adapter(request)
        # Flask binds to the host too, by which nothing is routed here; it is a twentieth of a request.
        return self.url_map.bind("", path_info=request.path, default_method=request.method)


def create_app(config: BridgeConfig, more: Sequence[Endpoint] = ()) -> Flask:
    """The application, with `more` endpoints than the API has; it connects to Redis when first asked, so it may be made before
    Redis is there."""
    app = _App("rest_bridge", static_folder=None)
    redis = connect_reader(config.redis_url)
    context = Context(config, redis, AlertLog(redis), Metrics())
    endpoints = _with_description([*ENDPOINTS, *more])
    queue = WorkQueue(config.limits)
    limiter = rate_limit.RateLimiter(config.rate_limit) if config.rate_limit else None
    for endpoint in endpoints:
        view = _View(context, endpoint, queue, limiter)
        app.add_url_rule(endpoint.path, f"{endpoint.method} {endpoint.path}", view, methods=[endpoint.method])
    errors.register(app, frozenset(e.path for e in endpoints if e.store))
    # What looks at answers runs in the reverse order of registration: compression first, counting last.
    context.metrics.register(app)
    if limiter is not None:
        rate_limit.register(app, limiter, config.rate_limit, frozenset(e.path for e in endpoints if e.unlimited))
    pages = frozenset(e.path for e in endpoints if e.media == "text/html")
    security.register(app, config, frozenset(e.path for e in endpoints if e.open), pages)
    security.trust_proxies(app, config.limits.trusted_proxies)
    if config.cors_origins:
        cross_origin.register(app, config.cors_origins)
    compression.register(app)
    return app


def _with_description(described: list[Endpoint]) -> list[Endpoint]:
    """The endpoints, and those that describe all of them."""

    def openapi(context: Context, q: Parameters) -> Response:
        return Response(document, mimetype="application/json")

    @lru_cache(maxsize=4)
    def page(base: str) -> tuple[bytes, int, dict[str, str], str]:
        return docs.page(description, base)

    def readable(context: Context, q: Parameters) -> Response:
        # By the address that the reader used, whatever stands in between.
        return Response(*page(f"{request.scheme}://{request.environ.get('HTTP_HOST') or 'localhost'}"))

    def about(path: str, handler: Callable[..., Response], summary: str, media: str) -> Endpoint:
        return Endpoint(path, handler, summary, tag="operations", open=True, queued=False, store=False, media=media)

    endpoints = [
        *described,
        replace(
            about("/openapi.json", openapi, "This description, for programs", "application/json"), answer=dict[str, Any]
        ),
        about("/docs", readable, "This description, for people", "text/html"),
        about("/", readable, "The same page as /docs", "text/html"),
    ]
    description = describe(endpoints, version("tapewatch"))
    document = encode(description)
    return endpoints


class _View:
    """An endpoint as Flask calls it: parameters and body are read, a place at work is taken, the answer is written."""

    def __init__(
        self, context: Context, endpoint: Endpoint, queue: WorkQueue, limiter: rate_limit.RateLimiter | None
    ) -> None:
        self._context, self._endpoint, self._queue, self._limiter = context, endpoint, queue, limiter
        self._query_type, self._parameters = endpoint.query_type, endpoint.parameters
        self._decode = None if endpoint.body_type is None else msgspec.json.Decoder(endpoint.body_type).decode
        self._flights = SingleFlight() if endpoint.method == "GET" and endpoint.media == "application/json" else None
        self.__name__ = endpoint.path

    def __call__(self, **path: str) -> Response:
        query = read(self._query_type, self._parameters, request.args, path)
        if self._limiter is not None and (cost := rate_limit.cost(query.rows())) > 1:
            self._limiter.charge(request.remote_addr or "", cost - 1)
        arguments = (query,) if self._decode is None else (query, self._body())
        if self._flights is None:
            return self._response(arguments)
        fixed = "from" in request.args and "to" in request.args
        question = (request.query_string, *path.values())
        body, headers = self._flights.answer(question, lambda: self._written(arguments), fixed)
        return Response(body, mimetype="application/json", headers=headers)

    def _response(self, arguments: tuple[object, ...]) -> Response:
        with self._place():
            answer = self._endpoint.handler(self._context, *arguments)
            return answer if isinstance(answer, Response) else Response(encode(answer), mimetype="application/json")

    def _written(self, arguments: tuple[object, ...]) -> Written:
        with self._place():
            answer = self._endpoint.handler(self._context, *arguments)
            if isinstance(answer, Response):
                return Written(answer.get_data())
            return Written(encode(answer.rows), answer.headers) if isinstance(answer, Page) else Written(encode(answer))

    def _place(self) -> AbstractContextManager[None]:
        if not self._endpoint.queued:
            return nullcontext()
        return self._queue.place(request.remote_addr or "", request.environ.get("tapewatch.client_gone", _never))

    def _body(self) -> object:
        """The body as its struct. Raises ApiError."""
        assert self._decode is not None
        if request.mimetype != "application/json":
            raise ApiError(415, "unsupported_media_type", "expected a body with Content-Type: application/json")
        try:
            return self._decode(request.get_data())
        except msgspec.DecodeError as error:
            raise bad_request(f"the body: {error}", "bad_body") from None


def _never() -> bool:
    return False
