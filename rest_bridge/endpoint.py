"""An endpoint: its path, its parameters, its code and its description in one place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from redis import Redis

from rest_bridge.config import BridgeConfig
from rest_bridge.parameters import Parameter, Query

PREFIX = "/api/v1"


@dataclass
class Context:
    """What handlers work with: the settings, and a client of the store (connects when first used)."""

    config: BridgeConfig
    redis: Redis


#: Answers what orjson can write; or bytes, which are JSON already.
Handler = Callable[[Context, Query], Any]


@dataclass(frozen=True)
class Endpoint:
    """`GET path`; `schema` is the OpenAPI schema of its answer. `store`: it reads Redis, so it may answer 503."""

    path: str
    handler: Handler
    summary: str
    schema: dict[str, Any]
    parameters: tuple[Parameter, ...] = field(default=())
    description: str = ""
    tag: str = "market"
    open: bool = False
    store: bool = True
