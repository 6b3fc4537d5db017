"""Alerts in the log: a line each with its event time; one line in all while the past is sent (the simulated hour, a replay)."""

from __future__ import annotations

import asyncio
import logging
import time
from datetime import UTC, datetime

from redis_functions.contract.alerts import Alert

log = logging.getLogger("tapewatch.alerts")

#: Event time that runs ahead of the clock by so much from one alert to the next is the past being sent.
AHEAD_MS = 20_000
#: The summary is logged when so long no more alert of the past came; seconds.
QUIET_S = 2.0


class AlertLog:
    """Logs raised alerts; belongs to the thread of a running event loop."""

    def __init__(self) -> None:
        self._last: tuple[float, int] | None = None  # monotonic, event time of the alert before
        self._past: list[int] = []  # event times of the alerts that were not logged one by one
        self._timer: asyncio.TimerHandle | None = None

    def raised(self, alert: Alert) -> None:
        """Logs the alert, or counts it towards the summary."""
        now, before = time.monotonic(), self._last
        self._last = now, alert.t
        if before is not None and alert.t - before[1] - (now - before[0]) * 1000 > AHEAD_MS:
            self._past.append(alert.t)
            if self._timer is not None:
                self._timer.cancel()
            self._timer = asyncio.get_running_loop().call_later(QUIET_S, self._summarise)
            return
        self._summarise()
        log.info("%s", alert.message, extra={"at": _utc(alert.t), "alert": alert.id, "severity": alert.severity})

    def _summarise(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._past:
            log.info(
                "%d alerts of the past raised, %s to %s", len(self._past), _utc(min(self._past)), _utc(max(self._past))
            )
            self._past = []


def _utc(t: int) -> str:
    """Epoch ms as a readable time, to the second."""
    return datetime.fromtimestamp(t / 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
