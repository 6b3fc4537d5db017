"""The vendor allows one connection: the feed is read while this daemon owns the lease, or while Redis is unreachable and the
owner is unknown.

Availability comes before exclusivity: a daemon that starts while Redis is unreachable connects, and closes the feed when
Redis is back and another daemon owns the lease.
"""

from __future__ import annotations

import asyncio
import logging

from ingest.tasks import ended
from redis_functions.write.lease import Lease
from vendor.interface import Feed

log = logging.getLogger("tapewatch.feed")

#: Seconds without an answer of Redis after which the feed is connected without the lease.
UNREACHABLE_S = 2.0
LOOK_S = 0.25


class FeedLease:
    """Decides when the feed may be read and reads it: `allowed`, then `read`, repeatedly."""

    def __init__(self, feed: Feed, lease: Lease) -> None:
        self._feed = feed
        self._lease = lease
        self._acquiring: asyncio.Task[int] | None = None

    async def allowed(self) -> None:
        """Waits until the feed may be read."""
        await self.close()
        self._acquiring = asyncio.create_task(self._lease.wait())
        while True:
            await asyncio.wait([self._acquiring], timeout=UNREACHABLE_S)
            if self._acquiring.done():
                self._acquiring.result()
                return
            if not self._lease.answered:
                log.warning("Redis is unreachable: connecting to the feed without its lease")
                return

    async def read(self) -> None:
        """Reads the feed until another daemon holds the lease, or the lease is lost. Raises what the feed raises."""
        feed = asyncio.create_task(self._feed.run())
        try:
            await self._while_allowed(feed)
        finally:
            await ended(feed)
            await self.close()

    async def close(self) -> None:
        """Stops asking for the lease."""
        await ended(self._acquiring)
        self._acquiring = None

    async def _while_allowed(self, feed: asyncio.Task[None]) -> None:
        acquiring = self._acquiring
        assert acquiring is not None
        while not acquiring.done():
            await asyncio.wait([feed, acquiring], timeout=LOOK_S, return_when=asyncio.FIRST_COMPLETED)
            if feed.done():
                feed.result()
            if self._lease.current not in ("", self._lease.owner):
                log.warning("%s holds the feed's lease: giving the feed up", self._lease.current)
                return
        holding = asyncio.create_task(self._lease.hold(lambda: None))
        try:
            await asyncio.wait([feed, holding], return_when=asyncio.FIRST_COMPLETED)
            if feed.done():
                feed.result()
        finally:
            await ended(holding)
