"""The REST API as a WSGI application."""

from __future__ import annotations

from collections.abc import Callable

import orjson
from flask import Flask, Response, request
from flask_cors import CORS

from redis_functions.connection import connect_reader
from rest_bridge import charts, compression, errors, health, market, security
from rest_bridge.config import BridgeConfig
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.parameters import parse

ENDPOINTS: tuple[Endpoint, ...] = (*charts.ENDPOINTS, *market.ENDPOINTS, *health.ENDPOINTS)


def create_app(config: BridgeConfig) -> Flask:
    """The application; it connects to Redis when first asked, so it may be made before Redis is there."""
    app = Flask("rest_bridge", static_folder=None)
    context = Context(config, connect_reader(config.redis_url))
    app.extensions["tapewatch"] = context
    for endpoint in ENDPOINTS:
        app.add_url_rule(endpoint.path, endpoint.path, _view(context, endpoint), methods=["GET"])
    errors.register(app)
    # Run in the reverse order of registration: first compression of the body, then the headers.
    security.register(app, config.token, frozenset(e.path for e in ENDPOINTS if e.open))
    if config.cors_origins:
        CORS(app, origins=list(config.cors_origins), methods=["GET"], allow_headers=["Authorization"], max_age=600)
    compression.register(app)
    return app


def _view(context: Context, endpoint: Endpoint) -> Callable[[], Response]:
    def view() -> Response:
        answer = endpoint.handler(context, parse(endpoint.parameters, request.args))
        if isinstance(answer, Response):
            return answer
        body = answer if isinstance(answer, bytes) else orjson.dumps(answer)
        return Response(body, mimetype="application/json")

    return view
