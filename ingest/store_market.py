"""Which market the spool and the store hold: the one that the feed's server names in its greeting, and no other."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from pathlib import Path

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redis_functions.errors import StoreRefused
from redis_functions.write.store_stamp import Stamp, claim_store, other_market, read_stamp

log = logging.getLogger("tapewatch.ingest")

#: A greeting waits so long for Redis; after that the spool's stamp decides alone, and the store is asked when it is opened.
CLAIM_S = 2.0
RETRY_S = 0.2


class StoreMarket:
    """The stamp of the spool in `folder` (its file ``market``) and of the store behind `client`."""

    def __init__(self, client: Redis, feed: str, folder: Path) -> None:
        self._client = client
        self._feed = feed
        self._file = folder / "market"
        self._greeted = asyncio.Event()
        self._refused: StoreRefused | None = None

    @property
    def market(self) -> str | None:
        """What the spool holds; None for one that is empty, or from before stamps."""
        return self._file.read_text().strip() if self._file.exists() else None

    async def greet(self, market: str) -> None:
        """The feed brings `market`: the spool and the store must be of it, or have no stamp yet.

        Called before anything is subscribed. Raises StoreRefused; then neither was changed.
        """
        held = self.market
        try:
            if held is not None and held != market:
                raise other_market(f"the spool {self._file.parent}", held, market)
            with contextlib.suppress(RedisError, OSError, TimeoutError):
                async with asyncio.timeout(CLAIM_S):
                    await claim_store(self._client, Stamp(self._feed, market))
            if held is None:
                self._file.write_text(f"{market}\n")
        except StoreRefused as error:
            self._refused = error
            raise
        finally:
            self._greeted.set()

    async def ready(self) -> None:
        """Waits until the store may be written to. One without a stamp may at once: the greeting will stamp it.

        Raises StoreRefused where the greeting did, or where the store holds another market than the spool.
        """
        while True:
            if self._refused is not None:
                raise self._refused
            try:
                if (market := self.market) is not None:
                    return await claim_store(self._client, Stamp(self._feed, market))
                if await read_stamp(self._client) is None:
                    return None
            except (RedisError, OSError) as error:
                log.debug("the store's stamp waits for Redis: %s", error)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(RETRY_S):
                    await self._greeted.wait()
                await asyncio.sleep(RETRY_S)
