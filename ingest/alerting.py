"""Spikes on their way to Redis: one after the other, and again until Redis has them (their id makes that harmless)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import BusyLoadingError, OutOfMemoryError, RedisError, ResponseError

from redis_functions.calls import RAISED, Alert, raise_alert

log = logging.getLogger("tapewatch.alerts")

RETRY_S = 0.5
REFUSED = "refused"


@dataclass
class AlertCounts:
    """Since the start: raised; already known, or within a cooldown that another process began; refused by Redis."""

    raised: int = 0
    known: int = 0
    refused: int = 0


class Alerting:
    """A queue of alerts and the task that raises them."""

    def __init__(self, client: Redis, cooldown_ms: int) -> None:
        self.counts = AlertCounts()
        self._client = client
        self._cooldown_ms = cooldown_ms
        self._queue: asyncio.Queue[Alert] = asyncio.Queue()

    def put(self, alert: Alert) -> None:
        self._queue.put_nowait(alert)

    async def done(self) -> None:
        await self._queue.join()

    async def run(self) -> None:
        """Raises alerts until cancelled."""
        while True:
            alert = await self._queue.get()
            while True:
                try:
                    outcome = await raise_alert(self._client, alert, self._cooldown_ms)
                    break
                except RedisError as error:
                    if isinstance(error, ResponseError) and not _may_pass(error):
                        log.error("Redis refuses the alert %s: %s", alert.id, error)
                        outcome = REFUSED
                        break
                    log.warning("the alert %s waits for Redis: %s", alert.id, error)
                    await asyncio.sleep(RETRY_S)
            if outcome == RAISED:
                self.counts.raised += 1
                log.info("%s", alert.message, extra={"alert": alert.id, "severity": alert.severity})
            elif outcome == REFUSED:
                self.counts.refused += 1
            else:
                self.counts.known += 1
            self._queue.task_done()


def _may_pass(error: ResponseError) -> bool:
    """Whether the same call may succeed later: Redis is full, loading or a replica for a while."""
    return isinstance(error, OutOfMemoryError | BusyLoadingError) or str(error).startswith(
        ("OOM", "LOADING", "READONLY", "BUSY")
    )
