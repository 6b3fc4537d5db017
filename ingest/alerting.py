"""Alerts on their way to Redis: in order, and sent again until Redis has them (their id makes that harmless)."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.alert_log import AlertLog
from ingest.outbox import Lane
from ingest.stage_latency import Stage
from redis_functions.availability import Availability
from redis_functions.contract.alerts import Alert
from redis_functions.errors import may_pass
from redis_functions.lua.calls import RAISED, raise_alerts

log = logging.getLogger("tapewatch.alerts")


@dataclass
class AlertCounts:
    """Since the start: raised; already known, or within a cooldown that another process began; refused by Redis."""

    raised: int = 0
    known: int = 0
    refused: int = 0


class AlertLane(Lane[tuple[Alert, float]]):
    """Alerts, each with the time of its detection (of time.perf_counter)."""

    name = "an alert"
    #: When the whole market moves at once, one by one they would fall behind.
    most = 200

    def __init__(self, client: Redis, cooldown_ms: int, availability: Availability, stage: Stage | None = None) -> None:
        """`stage` observes how long each alert took from `put_alert` to its being raised."""
        super().__init__(availability)
        self.counts = AlertCounts()
        self._client = client
        self._cooldown_ms = cooldown_ms
        self._stage = stage or Stage()
        self._log = AlertLog()

    def put_alert(self, number: int, alert: Alert) -> None:
        """Queues an alert that record `number` of the spool caused."""
        self.put(number, (alert, perf_counter()))

    async def send(self, items: Sequence[tuple[Alert, float]]) -> int:
        """Raises alerts. An alert that Redis refuses for good is counted and logged; those behind it are raised."""
        outcomes = await raise_alerts(self._client, [alert for alert, _ in items], self._cooldown_ms)
        for done, ((alert, since), outcome) in enumerate(zip(items, outcomes, strict=True)):
            if isinstance(outcome, RedisError) and may_pass(outcome):
                if not done:
                    raise outcome
                return done
            self._count(alert, since, outcome)
        return len(items)

    def _count(self, alert: Alert, since: float, outcome: str | RedisError) -> None:
        if outcome == RAISED:
            self._stage.since(since)
            self.counts.raised += 1
            self._log.raised(alert)
        elif isinstance(outcome, RedisError):
            log.error("Redis refuses the alert %s, which is dropped: %s", alert.id, outcome)
            self.counts.refused += 1
        else:
            self.counts.known += 1
