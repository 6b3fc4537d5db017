"""Which symbols of a gap are repaired first: those that somebody watches, then those that move the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import orjson
from redis.asyncio import Redis

from ingest.watchlists import read_watched
from redis_functions.contract import keys


async def repair_order(client: Redis, symbols: Iterable[str], newest: Callable[[str], int | None]) -> list[str]:
    """`symbols` on any watchlist first, then those of the most volume, then by their newest bar, the latest first."""
    watched = await read_watched(client)
    busy = {symbol: rank for rank, symbol in enumerate(_by_volume(await client.get(keys.MOVERS)))}

    def rank(symbol: str) -> tuple[bool, int, int, str]:
        return symbol not in watched, busy.get(symbol, len(busy)), -(newest(symbol) or 0), symbol

    return sorted(set(symbols), key=rank)


async def known_symbols(client: Redis) -> list[str]:
    """Every symbol seen."""
    return [_text(member) for member in await client.smembers(keys.SYMBOLS)]


def _by_volume(movers: Any) -> list[str]:
    try:
        return [row["symbol"] for row in orjson.loads(movers)["volume"]] if movers else []
    except (ValueError, KeyError, TypeError):
        return []


def _text(member: Any) -> str:
    return str(member, "utf-8", "replace")
