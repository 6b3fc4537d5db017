"""The REST API as a WSGI application."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from importlib.metadata import version
from typing import Any

from flask import Flask, Request, Response
from werkzeug.routing import MapAdapter

from redis_functions.read.alerts import AlertLog
from redis_functions.read.market import SymbolNames
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
from rest_bridge.metrics import Metrics
from rest_bridge.openapi import describe
from rest_bridge.parameters import Parameters
from rest_bridge.samples import Samples
from rest_bridge.view import EXPOSED, View, base_address, encode
from rest_bridge.work_queue import WorkQueue

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
    context = Context(config, redis, AlertLog(redis), SymbolNames(redis), Metrics())
    endpoints = _with_description(context, [*ENDPOINTS, *more])
    queue = WorkQueue(config.limits)
    limiter = rate_limit.RateLimiter(config.rate_limit) if config.rate_limit else None
    for endpoint in endpoints:
        view = View(context, endpoint, queue, limiter)
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
        cross_origin.register(app, config.cors_origins, EXPOSED)
    compression.register(app)
    return app


def _with_description(context: Context, described: list[Endpoint]) -> list[Endpoint]:
    """The endpoints, and those that describe all of them."""
    samples = Samples(context, described)
    token = context.config.token

    def openapi(context: Context, q: Parameters) -> Response:
        return Response(document, mimetype="application/json")

    def readable(context: Context, q: Parameters) -> Response:
        # What the market answers is for those who may ask it.
        symbol, answers = samples.now() if security.may_ask(token) else ("AAPL", {})
        return Response(*docs.page(description, base_address(), symbol, answers, bool(token)))

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
