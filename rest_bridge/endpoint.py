"""An endpoint: its path, its parameters, its code and its description in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from redis_functions.read.alerts import AlertLog
from rest_bridge.config import BridgeConfig
from rest_bridge.metrics import Metrics
from rest_bridge.parameters import Parameter, Query

PREFIX = "/api/v1"


@dataclass
class Context:
    """What handlers work with: the settings, a client of the store (which connects when used), alerts, counters."""

    config: BridgeConfig
    redis: Redis
    alerts: AlertLog
    metrics: Metrics


#: Answers what msgspec writes as JSON; or bytes, which are JSON already.
Handler = Callable[[Context, Query], Any]


@dataclass(frozen=True)
class Endpoint:
    """``GET path``; `schema` is the OpenAPI schema of its answer. `store`: it reads Redis, so it may answer 503.

    `open`: no token is asked for. `unlimited`: it may be asked however often. `queued`: it waits for a place at work.
    `media`: a handler of another type than JSON answers a Response.
    """

    path: str
    handler: Handler
    summary: str
    schema: dict[str, Any]
    parameters: tuple[Parameter, ...] = field(default=())
    description: str = ""
    tag: str = "market"
    open: bool = False
    unlimited: bool = False
    queued: bool = True
    store: bool = True
    media: str = "application/json"
