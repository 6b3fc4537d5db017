"""An endpoint: its path, its code and its description in one place. Parameters, body and answer are the types of its handler."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args, get_origin, get_type_hints

from redis import Redis

from redis_functions.read.alerts import AlertLog
from redis_functions.read.market import SymbolNames
from rest_bridge.config import BridgeConfig
from rest_bridge.metrics import Metrics
from rest_bridge.page import Page
from rest_bridge.parameters import Parameter, Parameters, parameters_of

PREFIX = "/api/v1"


@dataclass
class Context:
    """What handlers work with: the settings, a client of the store (which connects when used), alerts, symbols, counters."""

    config: BridgeConfig
    redis: Redis
    alerts: AlertLog
    names: SymbolNames
    metrics: Metrics


@dataclass(frozen=True)
class Endpoint:
    """``method path``, answered by ``handler(context, q)`` or, with a body, ``handler(context, q, body)``.

    `q` is a struct of rest_bridge.parameters: its fields are the words in the path, ``<name>``, and the query's parameters.
    `body` is a msgspec struct that JSON is read into. The annotated answer (of a Page its rows) is what msgspec writes as
    JSON; `answer` describes it where the annotation cannot. `store`: it reads Redis, so it may answer 503. `open`: no token
    is asked for. `unlimited`: it may be asked however often. `queued`: it waits for a place at work. `media`: a handler of
    another type than JSON answers a Response.
    """

    path: str
    handler: Callable[..., object]
    summary: str
    description: str = ""
    tag: str = "market"
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    answer: object = None
    open: bool = False
    unlimited: bool = False
    queued: bool = True
    store: bool = True
    media: str = "application/json"

    @cached_property
    def _types(self) -> dict[str, object]:
        return get_type_hints(self.handler, include_extras=True)

    @property
    def row_type(self) -> object:
        """Of an answer that is a list, what it is a list of; else None."""
        found: Any = self.answer_type
        return get_args(found)[0] if get_origin(found) is list else None

    @cached_property
    def query_type(self) -> type[Parameters]:
        found = self._types["q"]
        assert isinstance(found, type)
        assert issubclass(found, Parameters)
        return found

    @cached_property
    def parameters(self) -> tuple[Parameter, ...]:
        return parameters_of(self.query_type)

    @property
    def body_type(self) -> object:
        """None where no body is taken."""
        return self._types.get("body")

    @property
    def answer_type(self) -> object:
        returned: Any = self._types["return"]
        return self.answer or (list[get_args(returned)[0]] if get_origin(returned) is Page else returned)  # type: ignore[misc]
