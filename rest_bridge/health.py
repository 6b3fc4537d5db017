"""Liveness, readiness and metrics, for operators."""

from __future__ import annotations

import logging

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from redis.exceptions import RedisError

from redis_functions.read.process_metrics import alive, merge, render
from redis_functions.read.statistics import read_newest_stats
from rest_bridge.answers import Status
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import ApiError
from rest_bridge.parameters import Parameters

log = logging.getLogger("tapewatch.bridge")


#: Bars may wait for the store as long as this, ms.
WAITING_MS = 30_000


def healthz(context: Context, q: Parameters) -> Status:
    return Status("ok")


def readyz(context: Context, q: Parameters) -> Status:
    """Raises ApiError 503 with the reason when ingest is down, late, or its clock is behind."""
    if not alive(context.redis, "ingest"):
        raise ApiError(503, "not_ready", "ingest is not running: no sign of life from it in Redis")
    _, stats = read_newest_stats(context.redis, ("waiting_ms", "clock_behind_ms"))
    if (waiting := stats["waiting_ms"] or 0) > WAITING_MS:
        raise ApiError(503, "not_ready", f"bars wait for the store: the oldest for {waiting / 1000:.0f} s")
    if behind := stats["clock_behind_ms"]:
        raise ApiError(
            503,
            "not_ready",
            f"live bars are rejected: the clock of ingest's machine is {behind / 1000:.1f} s behind the feed",
        )
    return Status("ready")


def metrics(context: Context, q: Parameters) -> Response:
    registry = context.metrics.registry
    try:
        text = render(context.redis, {"bridge": registry})
    except RedisError as error:
        log.warning("only the bridge's own metrics are available: %s", error)
        text = merge({"bridge": generate_latest(registry)})
    return Response(text, content_type=CONTENT_TYPE_LATEST)


ENDPOINTS = (
    Endpoint(
        "/healthz",
        healthz,
        "Whether the bridge lives",
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
        description=(
            "200 when Redis answers, ingest is running, no bar waits for the store longer than 30 s and none is rejected "
            "because a clock is wrong, else 503; data need not be there yet."
        ),
        tag="operations",
        open=True,
        unlimited=True,
        queued=False,
    ),
    Endpoint(
        "/metrics",
        metrics,
        "Metrics of every process, for Prometheus",
        description="Each sample carries the label `process`. While Redis is unreachable, the bridge's own.",
        tag="operations",
        queued=False,
        store=False,
        media="text/plain",
    ),
)
