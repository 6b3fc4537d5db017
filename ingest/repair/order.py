"""Which symbols of a gap are repaired first: those that somebody watches, then those that move the market."""

from __future__ import annotations

from collections.abc import Iterable

from redis.asyncio import Redis

from ingest.repair.backfill import Backfill
from redis_functions.read.market import read_symbols_by_volume
from redis_functions.read.watchlists import read_watched


async def repair_order(client: Redis, symbols: Iterable[str], live: Backfill) -> list[str]:
    """`symbols` on any watchlist first, then those of the most volume, then by their newest bar, the latest first."""
    watched = await read_watched(client)
    busy = {symbol: rank for rank, symbol in enumerate(await read_symbols_by_volume(client))}

    def rank(symbol: str) -> tuple[bool, int, int, str]:
        return symbol not in watched, busy.get(symbol, len(busy)), -(live.newest(symbol) or 0), symbol

    return sorted(set(symbols), key=rank)
