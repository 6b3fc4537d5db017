"""What is known of the market as a whole: its symbols, its movers, the previous closes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date
from typing import Any

from redis import Redis

from redis_functions.contract import keys


def read_symbols(client: Redis) -> list[str]:
    """Every symbol seen, sorted."""
    found: Any = client.smembers(keys.SYMBOLS)
    return sorted(name.decode() for name in found)


def count_symbols(client: Redis) -> int:
    count: Any = client.scard(keys.SYMBOLS)
    return int(count)


def read_movers(client: Redis) -> dict[str, Any]:
    """The last snapshot of movers (see ingest): ``t`` and lists of rows by name; empty before the first one."""
    raw: Any = client.get(keys.MOVERS)
    snapshot = json.loads(raw) if raw else {}
    return snapshot if isinstance(snapshot, dict) else {}


def read_previous_closes(client: Redis, days: Sequence[date], symbols: Sequence[str]) -> list[dict[str, float]]:
    """For each New York day the real closes before it that the velocity detector divides by; unknown ones left out."""
    pipe: Any = client.pipeline(transaction=False)
    for day in days:
        pipe.hmget(keys.previous_close(day), list(symbols))
    return [
        {symbol: float(text) for symbol, text in zip(symbols, texts, strict=True) if text} for texts in pipe.execute()
    ]
