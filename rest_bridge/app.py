"""The REST API as a WSGI application."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from importlib.metadata import version
from typing import Any

import msgspec
from flask import Flask, Response, request

from redis_functions.read.alerts import AlertLog
from redis_functions.server.connection import connect_reader
from rest_bridge import (
    alerts,
    charts,
    compression,
    cross_origin,
    docs,
    errors,
    gaps,
    health,
    indicators,
    market,
    patterns,
    rate_limit,
    schemas,
    security,
)
from rest_bridge.config import BridgeConfig
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.metrics import Metrics
from rest_bridge.openapi import describe
from rest_bridge.parameters import Query, parse
from rest_bridge.single_flight import SingleFlight
from rest_bridge.work_queue import WorkQueue

#: Writes JSON.
encode = msgspec.json.Encoder().encode


class _App(Flask):
    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        return func  # no function here is a coroutine; Flask would look at each of a request's six


def create_app(config: BridgeConfig) -> Flask:
    """The application; it connects to Redis when first asked, so it may be made before Redis is there."""
    app = _App("rest_bridge", static_folder=None)
    redis = connect_reader(config.redis_url)
    context = Context(config, redis, AlertLog(redis), Metrics())
    endpoints = _endpoints()
    queue = WorkQueue(config.limits)
    for endpoint in endpoints:
        app.add_url_rule(endpoint.path, endpoint.path, _view(context, endpoint, queue), methods=["GET"])
    errors.register(app)
    # What looks at answers runs in the reverse order of registration: compression first, counting last.
    context.metrics.register(app)
    rate_limit.register(app, config.rate_limit, frozenset(e.path for e in endpoints if e.unlimited))
    pages = frozenset(e.path for e in endpoints if e.media == "text/html")
    security.register(app, config, frozenset(e.path for e in endpoints if e.open), pages)
    security.trust_proxies(app, config.limits.trusted_proxies)
    if config.cors_origins:
        cross_origin.register(app, config.cors_origins)
    compression.register(app)
    return app


def _endpoints() -> list[Endpoint]:
    """Everything that is answered, the description of it all included."""
    parts = (charts, indicators, patterns, market, alerts, gaps, health)
    endpoints = [endpoint for part in parts for endpoint in part.ENDPOINTS]

    def openapi(context: Context, q: Query) -> Any:
        return document

    @lru_cache(maxsize=4)
    def page(base: str) -> tuple[bytes, int, dict[str, str], str]:
        return docs.page(description, base)

    def readable(context: Context, q: Query) -> Any:
        # By the address that the reader used, whatever stands in between.
        return Response(*page(f"{request.scheme}://{request.environ.get('HTTP_HOST') or 'localhost'}"))

    about: dict[str, Any] = {"tag": "operations", "open": True, "queued": False, "store": False}
    endpoints += [
        Endpoint("/openapi.json", openapi, "This description, for programs", schemas.record({}, more={}), **about),
        Endpoint("/docs", readable, "This description, for people", schemas.TEXT, media="text/html", **about),
        Endpoint("/", readable, "The same page as /docs", schemas.TEXT, media="text/html", **about),
    ]
    description = describe(endpoints, version("tapewatch"))
    document = encode(description)
    return endpoints


def _view(context: Context, endpoint: Endpoint, queue: WorkQueue) -> Callable[[], Response]:
    single_flight = SingleFlight()

    def place() -> AbstractContextManager[None]:
        if not endpoint.queued:
            return nullcontext()
        return queue.place(request.remote_addr or "", request.environ.get("tapewatch.client_gone", _never))

    def view() -> Response:
        query = parse(endpoint.parameters, request.args)
        if endpoint.media != "application/json":
            with place():
                made: Response = endpoint.handler(context, query)
            return made

        def body() -> bytes:
            with place():
                answer = endpoint.handler(context, query)
                return answer if isinstance(answer, bytes) else encode(answer)

        fixed = "from" in request.args and "to" in request.args
        return Response(single_flight.answer(request.query_string, body, fixed), mimetype="application/json")

    return view


def _never() -> bool:
    return False
