"""A gap is a record: each time data may be missing, which symbols, between which event times, and why.

Gaps begin and end at records of the spool, so that a replay after a crash gives the very same gaps: a gap's id is the number of
the record where it began, and writing one again changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from redis.asyncio import Redis

from ingest.outbox import Lane
from redis_functions.availability import Availability
from redis_functions.write.checkpoint import FENCED, write_gap
from redis_functions.write.lease import Lease

#: How far apart two event times must be for anything to be missing between them, ms.
LEAST_MS = 1_000

#: The reason of the gap before the first data of a store.
NOT_RUNNING = "not running"

Fields = dict[str, str]


def span(start: int | None, end: int | None) -> str:
    """A gap's span for people, in UTC."""
    first, last = (
        datetime.fromtimestamp((t or 0) / 1000, UTC).isoformat(sep=" ", timespec="seconds")[:19] for t in (start, end)
    )
    return f"{first} to {last[11:] if first[:10] == last[:10] else last} UTC"


class GapLog(Lane[Fields]):
    """Knows which gap is open, and writes gap records in order, each guarded by the lease's token."""

    name = "a gap record"

    def __init__(self, client: Redis, feed: str, spool: str, lease: Lease, availability: Availability) -> None:
        super().__init__(availability)
        self._client = client
        self._feed = feed
        self._spool = spool
        self._lease = lease
        self._open: dict[str, Fields] = {}
        self._resumed = False

    def begin(self, number: int, clock: int, reason: str, symbols: str = "*") -> None:
        """From record `number` on data may be missing; `clock` is the last event time before (0: there was none, no gap)."""
        if clock <= 0 or (self._open and not self._resumed):
            return  # nothing was known yet, or a gap from before is open
        self._resumed = False
        fields = self._fields(number, clock, reason, symbols)
        self._open[fields["gap"]] = fields
        self.put(number, fields)

    def restore(self, begun: list[Fields]) -> None:
        """Gaps of this spool that an earlier run began and did not see the end of."""
        self._open.update({fields["gap"]: fields for fields in begun})

    def resume(self) -> None:
        """The next data ends what is open."""
        self._resumed = True

    def data(self, number: int, clock: int) -> list[Fields]:
        """Data came in record `number`, up to event time `clock`; returns the gaps that it ends."""
        if not self._open or not self._resumed:
            return []
        ended = [fields | {"to": str(max(clock, int(fields["from"]) + LEAST_MS))} for fields in self._open.values()]
        for fields in ended:
            self.put(number, fields)
        self._open = {}
        return ended

    def single(self, number: int, clock: int, reason: str) -> None:
        """One record is lost: a gap that ends with the next data."""
        if clock > 0:
            self.begin(number, clock, reason)
            self._resumed = True

    def before_start(self, number: int, start: int, end: int) -> None:
        """The market was open from `start` to `end` (epoch ms), when the first data of this store came, in record `number`."""
        if end - start < LEAST_MS:
            return
        fields = self._fields(number, start, NOT_RUNNING, "*")
        self.put(number, fields | {"gap": f"{fields['gap']}:start", "to": str(end)})

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    async def send(self, items: Sequence[Fields]) -> int:
        """Writes records; without the lease they wait."""
        for done, fields in enumerate(items):
            if not self._lease.token or await write_gap(self._client, self._feed, self._lease.token, fields) == FENCED:
                return done
        return len(items)

    def _fields(self, number: int, clock: int, reason: str, symbols: str) -> Fields:
        return {
            "gap": f"{self._spool}:{number}",
            "symbols": symbols,
            "from": str(clock),
            "to": "",
            "reason": reason,
            "state": "open",
        }
