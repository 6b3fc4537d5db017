"""The stream of alerts, kept at hand: each read fetches only what came since the last one."""

from __future__ import annotations

import threading
from operator import itemgetter
from typing import Any

from redis import Redis

from redis_functions.contract import keys

#: One alert as JSON has it: id t symbol rule severity direction magnitude message price.
Alert = dict[str, Any]


class AlertLog:
    """A copy of the stream that follows it: new entries are added, and those that Redis has trimmed are dropped."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._lock = threading.Lock()
        self._entries: dict[tuple[int, int], Alert] = {}
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
            # Emptied, or another stream than the one that was read: begin anew.
            known = bool(self._entries)
            self._entries, self._sorted, self._last = {}, [], (0, 0)
            return self._follow() if oldest and known else []
        first = _place(oldest[0][0])
        before = len(self._entries)
        if before and next(iter(self._entries)) < first:
            self._entries = {place: alert for place, alert in self._entries.items() if place >= first}
        if fresh or len(self._entries) != before:
            self._entries.update((_place(place), _alert(fields)) for place, fields in fresh)
            self._last = max(self._entries, default=self._last)
            self._sorted = sorted(self._entries.values(), key=itemgetter("t"))
        return self._sorted


def _place(entry_id: bytes) -> tuple[int, int]:
    ms, _, number = entry_id.partition(b"-")
    return int(ms), int(number)


def _alert(fields: dict[bytes, bytes]) -> Alert:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return {
        "id": text(b"id"),
        "t": int(text(b"t")),
        "symbol": text(b"symbol"),
        "rule": text(b"rule"),
        "severity": text(b"severity"),
        "direction": text(b"direction") or None,
        "magnitude": _number(text(b"magnitude")),
        "message": text(b"message"),
        "price": _number(text(b"price")),
    }


def _number(text: str) -> float | None:
    return float(text) if text else None
