"""The stream of alerts, kept at hand: each read fetches only what came since the last one."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterable
from operator import attrgetter
from typing import Any

from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.alerts import Alert, parse_alert

log = logging.getLogger("tapewatch.alerts")


class AlertLog:
    """A copy of the stream that follows it: new entries are added, and those that Redis has trimmed are dropped."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._entries: dict[tuple[int, int], Alert | None] = {}  # None: an entry that is no alert
        self._sorted: list[Alert] = []
        self._last = (0, 0)

    def read(self) -> list[Alert]:
        """All alerts, ascending by event time; shared, so not to be changed. Raises RedisError."""
        with self._lock:
            return self._follow()

    def _follow(self) -> list[Alert]:
        after = "-" if not self._entries else f"({self._last[0]}-{self._last[1]}"
        pipe: Any = self._client.pipeline(transaction=False)
        pipe.xrange(keys.ALERTS, count=1)
        pipe.xrevrange(keys.ALERTS, count=1)
        pipe.xrange(keys.ALERTS, min=after)
        oldest, newest, fresh = pipe.execute()
        if not oldest or _place(newest[0][0]) < self._last:
            # Emptied, or another stream than the one that was read: start from its beginning.
            known = bool(self._entries)
            self._entries, self._sorted, self._last = {}, [], (0, 0)
            return self._follow() if oldest and known else []
        first = _place(oldest[0][0])
        before = len(self._entries)
        if before and next(iter(self._entries)) < first:
            self._entries = {place: alert for place, alert in self._entries.items() if place >= first}
        if fresh or len(self._entries) != before:
            self._take(fresh)
            self._last = max(self._entries, default=self._last)
            self._sorted = sorted(filter(None, self._entries.values()), key=attrgetter("t"))
        return self._sorted

    @property
    def foreign(self) -> int:
        """Entries of the stream that are no alerts (another program's, or added by hand); they are left out."""
        with self._lock:
            return sum(alert is None for alert in self._entries.values())

    def _take(self, entries: Iterable[tuple[bytes, dict[bytes, bytes]]]) -> None:
        for place, fields in entries:
            alert = self._entries[_place(place)] = parse_alert(fields)
            if alert is None:
                log.warning("entry %s of the stream %s is no alert of ours, left out", place.decode(), keys.ALERTS)


def _place(entry_id: bytes) -> tuple[int, int]:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)
