"""The symbols that somebody watches (those on any watchlist): when not everything fits, theirs is kept longest."""

from __future__ import annotations

from redis.asyncio import Redis

from redis_functions.read.watchlists import read_watched
from vendor.interface import Vendor

REFRESH_S = 30.0


class Watched:
    """Keeps the set of watched symbols, and cuts a frame down to their events."""

    def __init__(self, client: Redis, vendor: Vendor) -> None:
        self.symbols: frozenset[str] = frozenset()
        self._client = client
        self._vendor = vendor

    async def refresh(self) -> None:
        """Reads the watchlists. Raises redis.RedisError."""
        self.symbols = await read_watched(self._client)

    def only(self, frame: bytes) -> bytes | None:
        """The events of watched symbols in `frame`; None when there are none."""
        return self._vendor.keep(frame, self.symbols) if self.symbols else None
