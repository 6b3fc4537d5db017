"""Liveness, readiness and metrics, for whoever operates the bridge."""

from __future__ import annotations

import logging
from typing import Any

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from redis_functions.write.process_metrics import alive, merge, render
from rest_bridge import schemas
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import ApiError
from rest_bridge.parameters import Query

log = logging.getLogger("tapewatch.bridge")


def healthz(context: Context, q: Query) -> Any:
    return {"status": "ok"}


def readyz(context: Context, q: Query) -> Any:
    if not alive(context.redis, "ingest"):
        raise ApiError(503, "not_ready", "ingest is not running: no sign of life from it in Redis")
    return {"status": "ready"}


def metrics(context: Context, q: Query) -> Any:
    registry = context.metrics.registry
    try:
        text = render(context.redis, {"bridge": registry})
    except RedisError as error:
        log.warning("only the bridge's own metrics can be told: %s", error)
        text = merge({"bridge": generate_latest(registry)})
    return Response(text, content_type=CONTENT_TYPE_LATEST)


_STATUS = schemas.record({"status": schemas.TEXT})

ENDPOINTS = (
    Endpoint(
        "/healthz",
        healthz,
        "Whether the bridge lives",
        _STATUS,
        tag="operations",
        open=True,
        unlimited=True,
        queued=False,
        store=False,
    ),
    Endpoint(
        "/readyz",
        readyz,
        "Whether it can answer",
        _STATUS,
        description="200 when Redis answers and ingest is running, else 503; data need not be there yet.",
        tag="operations",
        open=True,
        unlimited=True,
        queued=False,
    ),
    Endpoint(
        "/metrics",
        metrics,
        "Metrics of every process, for Prometheus",
        schemas.TEXT,
        description="Each sample carries the label `process`. While Redis is away, the bridge's own.",
        tag="operations",
        queued=False,
        store=False,
        media="text/plain",
    ),
)
