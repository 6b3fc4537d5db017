"""When so much is rejected or set aside, for its time, for limits or in parsing, that data is missing: that is a gap."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

#: Time of receipt over which events are counted, ms.
WINDOW_MS = 10_000
#: Fewer rejected events in a window are odd ones, whatever their share.
LEAST = 3
#: Data is missing where rejected events are this share of all. What was rejected for its time was data; what could not be read
#: may be anything, as long as the data goes on beside it.
SHARE_OF_TIME, SHARE = 0.1, 0.5
_TIME = frozenset({"future", "too_late"})


class Missing(NamedTuple):
    """`reason`: what most events were rejected for; `number`: events rejected in the window so far; `since`: the earliest event
    time among them (epoch ms), None where that is not known."""

    reason: str
    number: int
    since: int | None


class MissingData:
    """Counts per window. Data is missing from the moment a window has too many rejected events until a window has fewer."""

    def __init__(self) -> None:
        self.missing: Missing | None = None
        self._begun_ms = 0
        self._usable = self._usable_before = 0  # in this window, and in the one before
        self._rejected: Counter[str] = Counter()
        self._since: int | None = None

    def note(self, received_ms: int, usable: int, rejected: Counter[str], since: int | None = None) -> bool:
        """Notes the events of one record: usable ones, and rejected ones by reason with the earliest time of them; whether
        `missing` was set or unset by it."""
        before = self.missing is not None
        if received_ms - self._begun_ms > WINDOW_MS or received_ms < self._begun_ms:
            if not self._is_too_much():
                self.missing = None
            self._begun_ms, self._rejected, self._since = received_ms, Counter(), None
            self._usable, self._usable_before = 0, self._usable
        self._usable += usable
        if rejected:
            self._rejected += rejected
            self._since = min((t for t in (since, self._since) if t is not None), default=None)
            if self.missing is None and self._is_too_much():
                reason = self._rejected.most_common(1)[0][0]
                self.missing = Missing(reason, self._rejected.total(), self._since)
        return before != (self.missing is not None)

    def _is_too_much(self) -> bool:
        rejected = self._rejected.total()
        of_time = sum(self._rejected[reason] for reason in _TIME)
        every = rejected + self._usable + self._usable_before
        return rejected >= LEAST and (
            rejected >= SHARE * every or (of_time >= LEAST and of_time >= SHARE_OF_TIME * every)
        )
