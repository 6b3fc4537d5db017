"""The symbols that somebody watches (those on any watchlist): when not everything fits, theirs is kept longest."""

from __future__ import annotations

import asyncio
import logging

import orjson
from redis.asyncio import Redis
from redis.exceptions import RedisError

from redis_functions.read.watchlists import read_watched

log = logging.getLogger("tapewatch.ingest")

REFRESH_S = 30.0


class Watched:
    """Keeps the set of watched symbols, and cuts a frame down to their events."""

    def __init__(self, client: Redis) -> None:
        self.symbols: frozenset[str] = frozenset()
        self._client = client

    async def run(self) -> None:
        """Refreshes the set until cancelled."""
        while True:
            try:
                self.symbols = await read_watched(self._client)
            except RedisError as error:
                log.debug("watchlists wait for Redis: %s", error)
            await asyncio.sleep(REFRESH_S)

    def only(self, frame: bytes) -> bytes | None:
        """The second and minute bars and trades of watched symbols in `frame`; None when there are none."""
        if not self.symbols:
            return None
        try:
            events = orjson.loads(frame)
        except orjson.JSONDecodeError:
            return None
        kept = (
            [e for e in events if isinstance(e, dict) and isinstance(e.get("sym"), str) and e["sym"] in self.symbols]
            if isinstance(events, list)
            else []
        )
        return orjson.dumps(kept) if kept else None
