"""What cannot be written without looking at Redis first: prints that come after their second was let go, and minute bars
of a time that an earlier process may have stored seconds for. Rare, so it is done one by one and in order.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from redis.asyncio import Redis
from redis.exceptions import RedisError

from ingest.trade_bars import LatePrint
from market.bar import MINUTE_MS, SECOND_MS, Bar
from redis_functions import keys
from redis_functions.writer import Writer

log = logging.getLogger("tapewatch.ingest")

#: What may wait; beyond it the oldest is given up and counted.
LIMIT = 100_000
RETRY_S = 1.0


class SecondLook:
    """A queue of late prints and unsure minute bars, worked off against what Redis holds."""

    def __init__(self, client: Redis, writer: Writer) -> None:
        self._client = client
        self._writer = writer
        self._queue: asyncio.Queue[LatePrint | Bar] = asyncio.Queue()
        self.given_up = 0

    def put(self, item: LatePrint | Bar) -> None:
        if self._queue.qsize() >= LIMIT:
            self._queue.get_nowait()
            self._queue.task_done()
            self.given_up += 1
        self._queue.put_nowait(item)

    @property
    def waiting(self) -> int:
        return self._queue.qsize()

    async def done(self) -> None:
        """Waits until all that was put has been written or found to be unneeded."""
        await self._queue.join()

    async def run(self, store: Callable[[list[Bar]], None], fill: Callable[[list[Bar]], None]) -> None:
        """Works until cancelled; `store` takes merged seconds, `fill` minute bars that may fill."""
        while True:
            item = await self._queue.get()
            while True:
                try:
                    # What was queued for Redis before must be there before it is looked at.
                    await self._writer.flushed()
                    if isinstance(item, Bar):
                        if not await self._has_seconds(item):
                            fill([item])
                    else:
                        store([await self._merged(item)])
                    break
                except RedisError as error:
                    log.warning("late data waits for Redis: %s", error)
                    await asyncio.sleep(RETRY_S)
            self._queue.task_done()

    async def _has_seconds(self, bar: Bar) -> bool:
        pipe = self._client.pipeline(transaction=False)
        pipe.execute_command("TS.RANGE", keys.series(bar.sym, "1s", "volume"), bar.t, bar.t + MINUTE_MS - 1, "COUNT", 2)
        (rows,) = await pipe.execute(raise_on_error=False)
        return isinstance(rows, list) and any(int(row[0]) % SECOND_MS == 0 for row in rows)

    async def _merged(self, late: LatePrint) -> Bar:
        pipe = self._client.pipeline(transaction=False)
        for field in keys.FIELDS:
            pipe.execute_command("TS.RANGE", keys.series(late.sym, "1s", field), late.t_second, late.t_second)
        o, h, low, c, v, n = (
            float(reply[0][1]) if isinstance(reply, list) and reply else None
            for reply in await pipe.execute(raise_on_error=False)
        )
        if late.price_ticks is not None:
            h = late.price_ticks if h is None else max(h, late.price_ticks)
            low = late.price_ticks if low is None else min(low, late.price_ticks)
        volume = (v or 0) + late.size
        whole = int(volume)
        return Bar(
            late.sym, late.t_second, _int(o), _int(h), _int(low), _int(c),
            whole if whole == volume else volume, int(n or 0) + late.notional,
        )  # fmt: skip


def _int(value: float | None) -> int | None:
    return None if value is None else int(value)
