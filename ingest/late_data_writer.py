"""What cannot be written without looking at Redis first: prints that come after their second was let go, and minute bars
of a time that an earlier process may have stored seconds for. Rare, so it is done one by one and in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.bars.trade_bars import LatePrint
from ingest.outbox import Outbox
from market.bar import Bar
from redis_functions.errors import may_pass
from redis_functions.read.samples import has_seconds
from redis_functions.write.late_prints import MERGED, merge_late_print, merge_late_print_args
from redis_functions.write.writer import Writer

log = logging.getLogger("tapewatch.ingest")

RETRY_S = 0.5


@dataclass(frozen=True, slots=True)
class _Item:
    key: str  # tells a late print from others of its symbol
    also: str  # another name that a later run may look for
    what: LatePrint | Bar


class LateDataWriter:
    """A queue of late prints and unsure minute bars, worked off against what Redis holds."""

    def __init__(self, client: Redis, writer: Writer, lateness_ms: int) -> None:
        self.merged = self.refused = 0
        self._client = client
        self._writer = writer
        self._lateness_ms = lateness_ms
        self.pending: Outbox[_Item] = Outbox()

    def put(self, what: LatePrint | Bar, number: int, key: str = "", also: str = "") -> None:
        """Queues a late print (with a key that is its own) or a minute bar, both of record `number`."""
        self.pending.put(number, _Item(key, also, what))

    async def run(self, fill: Callable[[list[Bar]], None]) -> None:
        """Works until cancelled; `fill` takes minute bars that may fill."""
        while True:
            item = await self.pending.first()
            try:
                # What was queued for Redis before must be there before it is looked at.
                await self._writer.flushed()
                if isinstance(item.what, Bar):
                    if not await has_seconds(self._client, item.what.sym, item.what.t):
                        fill([item.what])
                else:
                    await self._merge(item.what, item)
                self.pending.drop()
            except RedisError as error:
                if may_pass(error):
                    log.warning("late data waits for Redis: %s", error)
                    await asyncio.sleep(RETRY_S)
                else:
                    log.error("Redis refuses late data of %s: %s", item.what.sym, error)
                    self.refused += 1
                    self.pending.drop()

    async def _merge(self, late: LatePrint, item: _Item) -> None:
        words = merge_late_print_args(
            late.sym, late.t_second, late.price_ticks, late.size, late.notional, item.key, self._lateness_ms, item.also
        )
        outcome = await merge_late_print(self._client, words)
        if outcome == MERGED:
            self.merged += 1
        else:
            self.refused += 1
