"""A gap is a record: each time data may be missing, which symbols, between which event times, and why.

Gaps begin and end at marks in the spool, so that a replay after a crash tells the very same ones: a gap's id is the number of
the record where it began, and writing one again changes nothing.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.outbox import Outbox
from redis_functions.write.checkpoint import FENCED, write_gap

log = logging.getLogger("tapewatch.ingest")

RETRY_S = 0.5
#: How far apart two event times must be for anything to be missing between them, ms.
LEAST_MS = 1_000

Fields = dict[str, str]


class GapLog:
    """Writes gap records in order, each guarded by the lease's token; `on_closed` is told of each gap whose end is known."""

    def __init__(
        self, client: Redis, feed: str, spool: str, token: Callable[[], int], on_closed: Callable[[Fields, int], None]
    ) -> None:
        self.count = 0
        self._client = client
        self._feed = feed
        self._spool = spool
        self._token = token
        self._on_closed = on_closed
        self.pending: Outbox[Fields] = Outbox()
        self._open: dict[str, Fields] = {}
        self._resumed = False

    def begin(self, number: int, clock: int, reason: str, symbols: str = "*") -> None:
        """From record `number` on data may be missing; `clock` is the last event time before (0: there was none, no gap)."""
        if clock <= 0 or (self._open and not self._resumed):
            return  # nothing was known yet, or it is already said that data is missing from before
        self._resumed = False
        self.count += 1
        fields = self._fields(number, clock, reason, symbols)
        self._open[fields["gap"]] = fields
        self.pending.put(number, fields)

    def restore(self, begun: list[Fields]) -> None:
        """Gaps of this spool that an earlier run began and did not see the end of."""
        self._open.update({fields["gap"]: fields for fields in begun})

    def resume(self) -> None:
        """The next data ends what is open."""
        self._resumed = True

    def data(self, number: int, clock: int) -> None:
        """Data came, up to event time `clock`."""
        if self._open and self._resumed:
            for fields in self._open.values():
                self._close(number, fields, clock)
            self._open = {}

    def single(self, number: int, clock: int, reason: str) -> None:
        """One record is lost: a gap that ends with the next data."""
        if clock > 0:
            self.begin(number, clock, reason)
            self._resumed = True

    def _close(self, number: int, fields: Fields, clock: int) -> None:
        closed = fields | {"to": str(max(clock, int(fields["from"]) + LEAST_MS))}
        self.pending.put(number, closed)
        self._on_closed(closed, number)

    def _fields(self, number: int, clock: int, reason: str, symbols: str) -> Fields:
        return {
            "gap": f"{self._spool}:{number}",
            "symbols": symbols,
            "from": str(clock),
            "to": "",
            "reason": reason,
            "state": "open",
        }

    @property
    def is_open(self) -> bool:
        return bool(self._open)

    async def run(self) -> None:
        """Writes records until cancelled; without the lease they wait."""
        while True:
            fields = await self.pending.first()
            try:
                token = self._token()
                if token and await write_gap(self._client, self._feed, token, fields) != FENCED:
                    self.pending.drop()
                    continue
            except RedisError as error:
                log.debug("the gap record waits for Redis: %s", error)
            await asyncio.sleep(RETRY_S)
