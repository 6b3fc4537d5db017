"""A gap is a record: each time the feed was away, which symbols missed what between which event times, and why."""

from __future__ import annotations

import asyncio
import logging

from redis.asyncio import Redis
from redis.exceptions import RedisError

from redis_functions import keys

log = logging.getLogger("tapewatch.ingest")

MAXLEN = 10_000
RETRY_S = 1.0


class GapLog:
    """Appends to `gaps:{feed}`: an entry when a gap begins, one more of the same gap id when its end is known."""

    def __init__(self, client: Redis, feed: str) -> None:
        self._client = client
        self._key = keys.gaps(feed)
        self._queue: asyncio.Queue[dict[str, str]] = asyncio.Queue()
        self._open: dict[str, str] | None = None
        self.count = 0

    def begin(self, reason: str, last_event: int) -> None:
        """Data may be missing from event time `last_event` on. Without any data so far there is nothing to miss."""
        if self._open is not None or last_event <= 0:
            return
        self.count += 1
        self._open = {
            "gap": f"{last_event}-{reason}",
            "symbols": "*",
            "from": str(last_event),
            "to": "",
            "reason": reason,
            "state": "open",
        }
        self._queue.put_nowait(self._open)

    def end(self, first_event: int) -> None:
        """Data flows again from event time `first_event` on."""
        if self._open is not None:
            begun, self._open = self._open, None
            self._queue.put_nowait(begun | {"to": str(max(first_event, int(begun["from"])))})

    @property
    def is_open(self) -> bool:
        return self._open is not None

    async def done(self) -> None:
        await self._queue.join()

    async def run(self) -> None:
        """Writes records until cancelled."""
        while True:
            entry = await self._queue.get()
            while True:
                try:
                    await self._client.xadd(self._key, dict(entry.items()), maxlen=MAXLEN, approximate=True)
                    break
                except RedisError as error:
                    log.warning("the gap record waits for Redis: %s", error)
                    await asyncio.sleep(RETRY_S)
            self._queue.task_done()
