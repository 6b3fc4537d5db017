"""Sample answers of the running market for the readable page: what each path answers right now, in a few rows."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

import msgspec
from redis.exceptions import RedisError
from werkzeug.datastructures import MultiDict

from redis_functions.read.market import read_movers, read_symbols
from rest_bridge.endpoint import Context, Endpoint
from rest_bridge.errors import ApiError
from rest_bridge.page import Page
from rest_bridge.parameters import read

#: Rows of a sample.
ROWS = 2
#: Samples are kept for so long.
_KEPT_S = 5.0
_CHARACTERS = 2_000
_SHOWN = ("timeframe",)


def example(parameters: Iterable[tuple[str, bool, object]], symbol: str) -> dict[str, str]:
    """Parameters of an example: those that must be given, and few more; `symbol` is one of the market. `parameters`: name,
    whether it must be given, and a value."""
    return {
        name: symbol if name == "symbol" else str(value)
        for name, required, value in parameters
        if value is not None and (required or name in _SHOWN)
    }


class Samples:
    """The market's busiest symbol, and by path what is answered for it."""

    def __init__(self, context: Context, endpoints: Sequence[Endpoint]) -> None:
        self._context = context
        self._endpoints = [e for e in endpoints if e.method == "GET" and e.media == "application/json"]
        self._made: tuple[float, str, dict[str, str]] | None = None

    def now(self) -> tuple[str, dict[str, str]]:
        """(symbol, answers by path), at most _KEPT_S old; a path that cannot be answered now is left out."""
        if self._made is None or time.monotonic() - self._made[0] > _KEPT_S:
            symbol = self._symbol()
            found = {endpoint.path: self._sample(endpoint, symbol) for endpoint in self._endpoints}
            self._made = time.monotonic(), symbol, {path: text for path, text in found.items() if text}
        return self._made[1:]

    def _symbol(self) -> str:
        try:
            busiest = read_movers(self._context.redis).get("volume") or []
            names = [str(row["symbol"]) for row in busiest[:1]] or read_symbols(self._context.redis)
        except RedisError:
            names = []
        return names[0] if names else "AAPL"

    def _sample(self, endpoint: Endpoint, symbol: str) -> str:
        given = example([(p.name, p.required, p.example) for p in endpoint.parameters], symbol)
        if any(p.name == "limit" for p in endpoint.parameters):
            given["limit"] = str(ROWS)
        try:
            query = read(endpoint.query_type, endpoint.parameters, MultiDict(given), {})
            answer = endpoint.handler(self._context, query)
        except (RedisError, ApiError):
            return ""
        shown = answer.rows if isinstance(answer, Page) else answer
        if isinstance(shown, list):
            lines = [msgspec.json.encode(row).decode() for row in shown[:ROWS]]
            return "[" + ",\n ".join(lines) + "]"
        text = msgspec.json.format(msgspec.json.encode(shown), indent=2).decode()
        return text if len(text) <= _CHARACTERS else ""
