"""The market as a whole."""

from __future__ import annotations

from typing import Any

from redis_functions.market_reader import read_symbols
from rest_bridge import parameters as p
from rest_bridge import schemas
from rest_bridge.endpoint import PREFIX, Context, Endpoint

MAX_SYMBOLS = 20_000


def symbols(context: Context, q: p.Query) -> Any:
    names = read_symbols(context.redis)
    if q["q"]:
        wanted = q["q"].lower()
        names = [name for name in names if wanted in name.lower()]
        # Sorting is stable: exact, then beginning with it, then the rest, each in alphabetical order.
        names.sort(key=lambda name: (name.lower() != wanted, not name.lower().startswith(wanted)))
    return [{"symbol": name} for name in names[: q["limit"]]]


ENDPOINTS = (
    Endpoint(
        f"{PREFIX}/symbols",
        symbols,
        "Symbols seen so far",
        schemas.rows(schemas.record({"symbol": schemas.TEXT})),
        (
            p.Parameter("q", "Only symbols that contain this, in any case: the best match first.", p.read_word),
            p.limit(MAX_SYMBOLS, MAX_SYMBOLS, "At most so many."),
        ),
    ),
)
