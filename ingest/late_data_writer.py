"""What cannot be written without asking Redis first: late prints, and minute bars of a time for which an earlier process may
have stored seconds. Rare, so it is done one by one and in order.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from redis.asyncio import Redis

from ingest.bars.late_prints import NamedPrint
from ingest.outbox import Lane
from market.bar import Bar
from redis_functions.availability import Availability
from redis_functions.read.samples import has_seconds
from redis_functions.write.late_prints import MERGED, merge_late_print, merge_late_print_args
from redis_functions.write.writer import Writer


class Stream(Protocol):
    """The stream of live bars."""

    def fill(self, bars: list[Bar]) -> None:
        """Stores minute bars whose minutes have no seconds in the store."""


class LateDataLane(Lane[NamedPrint | Bar]):
    """Late prints, merged in the store; and minute bars, given back to the stream where the store has no seconds."""

    name = "late data"

    def __init__(
        self, client: Redis, writer: Writer, lateness_ms: int, stream: Stream, availability: Availability
    ) -> None:
        super().__init__(availability)
        self.merged = 0  # since the start
        self._client = client
        self._writer = writer
        self._lateness_ms = lateness_ms
        self._stream = stream

    async def send(self, items: Sequence[NamedPrint | Bar]) -> int:
        """Merges one late print, or fills one minute."""
        # What was queued for Redis before must be there before Redis is asked.
        await self._writer.flushed()
        for item in items:
            if isinstance(item, Bar):
                if not await has_seconds(self._client, item.sym, item.t):
                    self._stream.fill([item])
            else:
                await self._merge(item)
        return len(items)

    async def _merge(self, named: NamedPrint) -> None:
        late = named.late
        words = merge_late_print_args(
            late.sym,
            late.t_second,
            late.price_ticks,
            late.size,
            late.notional,
            named.key,
            self._lateness_ms,
            named.also,
        )
        if await merge_late_print(self._client, words) == MERGED:
            self.merged += 1
        else:
            self.refused += 1
