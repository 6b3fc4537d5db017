"""What is known of the market as a whole: its symbols."""

from __future__ import annotations

from typing import Any

from redis import Redis

from redis_functions import keys


def read_symbols(client: Redis) -> list[str]:
    """Every symbol seen, sorted."""
    found: Any = client.smembers(keys.SYMBOLS)
    return sorted(name.decode() for name in found)
