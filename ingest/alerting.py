"""Spikes on their way to Redis: in order, and again until Redis has them (their id makes that harmless)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from time import perf_counter

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.outbox import Outbox
from ingest.stage_latency import Stage
from redis_functions.contract.alerts import Alert
from redis_functions.errors import may_pass
from redis_functions.lua.calls import RAISED, raise_alerts

log = logging.getLogger("tapewatch.alerts")

RETRY_S = 0.5
#: Raised in one go: when the whole market moves at once, one by one they would fall behind.
TOGETHER = 200


@dataclass
class AlertCounts:
    """Since the start: raised; already known, or within a cooldown that another process began; refused by Redis."""

    raised: int = 0
    known: int = 0
    refused: int = 0


class Alerting:
    """A queue of alerts and the task that raises them."""

    def __init__(self, client: Redis, cooldown_ms: int, stage: Stage | None = None) -> None:
        """`stage` is told how long each alert took from `put` to its being raised."""
        self.counts = AlertCounts()
        self._client = client
        self._cooldown_ms = cooldown_ms
        self._stage = stage or Stage()
        self.pending: Outbox[tuple[Alert, float]] = Outbox()  # with the time of `put`

    def put(self, alert: Alert, number: int = 0) -> None:
        """Queues an alert that record `number` of the spool caused."""
        self.pending.put(number, (alert, perf_counter()))

    async def run(self) -> None:
        """Raises alerts until cancelled."""
        while True:
            batch = await self.pending.upcoming(TOGETHER)
            try:
                outcomes = await raise_alerts(self._client, [alert for alert, _ in batch], self._cooldown_ms)
            except RedisError as error:
                outcomes = [error]
            for (alert, since), outcome in zip(batch, outcomes, strict=False):
                if isinstance(outcome, RedisError) and may_pass(outcome):
                    log.warning("the alert %s waits for Redis: %s", alert.id, outcome)
                    await asyncio.sleep(RETRY_S)
                    break
                self._count(alert, since, outcome)
                self.pending.drop()

    def _count(self, alert: Alert, since: float, outcome: str | RedisError) -> None:
        if outcome == RAISED:
            self._stage.since(since)
            self.counts.raised += 1
            log.info("%s", alert.message, extra={"alert": alert.id, "severity": alert.severity})
        elif isinstance(outcome, RedisError):
            log.error("Redis refuses the alert %s: %s", alert.id, outcome)
            self.counts.refused += 1
        else:
            self.counts.known += 1
