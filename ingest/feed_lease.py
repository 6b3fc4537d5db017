"""The vendor allows one connection: the feed is held while the lease is ours, or while Redis is away and nobody can tell.

Availability comes before exclusivity: a daemon that starts while Redis is away connects, and gives way when Redis is back and
another one turns out to hold the lease.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from ingest.tasks import ended
from redis_functions.write.lease import Lease
from vendor.interface import Feed

log = logging.getLogger("tapewatch.feed")

#: Redis that does not answer for so long is away; the feed is connected without it.
AWAY_S = 2.0
LOOK_S = 0.25


class FeedLease:
    """Runs the feed whenever it may."""

    def __init__(self, feed: Feed, lease: Lease, on_allowed: Callable[[], Awaitable[None]] | None = None) -> None:
        """`on_allowed` is awaited each time before the feed is connected."""
        self._feed = feed
        self._lease = lease
        self._on_allowed = on_allowed

    async def run(self) -> None:
        """Until cancelled. Raises what the feed raises."""
        while True:
            waiting = asyncio.create_task(self._lease.wait())
            feed: asyncio.Task[None] | None = None
            try:
                await self._until_allowed(waiting)
                if self._on_allowed is not None:
                    await self._on_allowed()
                feed = asyncio.create_task(self._feed.run())
                await self._while_allowed(feed, waiting)
            finally:
                await ended(waiting, feed)

    async def _until_allowed(self, waiting: asyncio.Task[int]) -> None:
        while True:
            await asyncio.wait([waiting], timeout=AWAY_S)
            if waiting.done():
                waiting.result()
                return
            if not self._lease.answered:
                log.warning("Redis is away: connecting without the lease")
                return

    async def _while_allowed(self, feed: asyncio.Task[None], waiting: asyncio.Task[int]) -> None:
        while not waiting.done():
            await asyncio.wait([feed, waiting], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if feed.done():
                feed.result()
            if self._lease.holder not in ("", self._lease.owner):
                log.warning("%s holds the lease: giving the feed up", self._lease.holder)
                return
        holding = asyncio.create_task(self._lease.hold(lambda: None))
        try:
            await asyncio.wait([feed, holding], return_when=asyncio.FIRST_COMPLETED)
            if feed.done():
                feed.result()
        finally:
            await ended(holding)
