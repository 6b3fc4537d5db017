"""The watermark: the last spooled record of whose effects nothing waits any more. A replay after a crash begins before it."""

from __future__ import annotations

from redis.asyncio import Redis

from ingest.outbox import Outbox
from ingest.spool.log import Spool
from redis_functions.write.checkpoint import BEHIND, EMPTIED, SET, set_watermark
from redis_functions.write.lease import Lease
from redis_functions.write.writer import StoreEmptied, Writer


class Watermark:
    """Moves the watermark of one spool. What is held back for a few seconds of event time (half-built seconds, minute bars) is
    built again within the warm-up of a replay, so it does not hold the watermark up."""

    def __init__(
        self, client: Redis, feed: str, spool: Spool, spool_id: str, lease: Lease, writer: Writer, outbox: Outbox
    ) -> None:
        self.stored: int | None = None  # what Redis acknowledged to this process last
        self._client = client
        self._feed = feed
        self._spool = spool
        self._spool_id = spool_id
        self._lease = lease
        self._writer = writer
        self._outbox = outbox

    async def advance(self) -> None:
        """Sets the watermark in Redis where it has moved; without the lease it waits. Raises RedisError, StoreEmptied."""
        token, waiting = self._lease.token, self._outbox.oldest
        safe = self._writer.acknowledged if waiting is None else min(self._writer.acknowledged, waiting - 1)
        if not token or safe <= (self.stored or 0):
            return
        outcome, number = await set_watermark(
            self._client, self._feed, token, safe, last=self.stored, spool=self._spool_id
        )
        if outcome == EMPTIED:
            raise StoreEmptied(f"the watermark was {self.stored} and is {number}")
        if outcome in (SET, BEHIND):
            self.stored = safe if outcome == SET else number
            self._spool.acknowledge(safe)
