"""Liveness, readiness and metrics, for whoever operates the bridge."""

from __future__ import annotations

from typing import Any

from redis_functions.process_metrics import alive
from rest_bridge import schemas
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import Refusal
from rest_bridge.parameters import Query


def healthz(context: Context, q: Query) -> Any:
    return {"status": "ok"}


def readyz(context: Context, q: Query) -> Any:
    if not alive(context.redis, "ingest"):
        raise Refusal(503, "not_ready", "ingest is not running: no sign of life from it in Redis")
    return {"status": "ready"}


_STATUS = schemas.record({"status": schemas.TEXT})

ENDPOINTS = (
    Endpoint("/healthz", healthz, "Whether the bridge lives", _STATUS, tag="operations", open=True, store=False),
    Endpoint(
        "/readyz",
        readyz,
        "Whether it can answer",
        _STATUS,
        description="200 when Redis answers and ingest is running, else 503; data need not be there yet.",
        tag="operations",
        open=True,
    ),
)
