"""When Redis rewrites its append-only file: while the market rests, and before the file outgrows its limit.

A day of the whole market adds some 10 GB to the file. By its own rule (whenever the file has doubled) Redis would rewrite it
every few minutes, each time in a fork whose memory is shared only as long as nothing is written. So that rule is switched off
in the embedded server, and the daemon that holds the feed asks: only its writes make the file grow, and it knows the market's
hours.
"""

from __future__ import annotations

import logging
import math
import time
from dataclasses import dataclass
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ingest.clock import Clock
from ingest.pipeline import Counts
from market.calendar import tape_hours, trade_date
from redis_functions.write.lease import Lease

log = logging.getLogger("tapewatch.ingest")

LOOK_S = 10.0
#: After a rewrite was asked for, however it ended: the next is not asked for before; seconds.
PAUSE_S = 60.0
#: A file that has grown by less is left alone while the market rests.
WORTH_BYTES = 64 << 20


@dataclass(frozen=True)
class RewriteConfig:
    """`limit_bytes`: what the file may grow by before it is rewritten during the market too."""

    limit_bytes: int = 512 << 20
    always_open: bool = False


def reason(growth: int, base: int, rests: bool, limit: int) -> str | None:
    """Why a file that has grown by `growth` since it had `base` bytes is to be rewritten now; None: it is not.

    While the market rests it must have doubled, or nothing would be won by it.
    """
    if growth > limit:
        return "it has reached its limit"
    if rests and growth >= max(WORTH_BYTES, base):
        return "the market rests"
    return None


class Rewrites:
    """Looks at the file, to be asked every LOOK_S, and has it rewritten."""

    def __init__(
        self,
        client: Redis,
        config: RewriteConfig,
        lease: Lease,
        counts: Counts,
        clock: Clock,
    ) -> None:
        """Only the daemon that holds the `lease` asks; `counts` are those of its pipeline."""
        self._client = client
        self._config = config
        self._lease, self._counts, self._clock = lease, counts, clock
        self._size = 0.0
        self._seen = -1
        self._asked = -math.inf
        self._failed = False

    def statistics(self) -> dict[str, float]:
        """The file's size as it was seen last; 0 where Redis keeps none."""
        return {"redis_aof_bytes": self._size}

    async def look(self) -> bool:
        """Looks once; whether a rewrite was begun. Raises redis.RedisError."""
        status: dict[str, Any] = await self._client.info("persistence")
        rests = self._rests()
        if not status.get("aof_enabled"):
            self._size = 0.0
            return False
        size, base = int(status["aof_current_size"]), int(status["aof_base_size"])
        self._size = float(size)
        if status["aof_rewrite_in_progress"] or status.get("aof_rewrite_scheduled"):
            return False
        self._log_failure(str(status.get("aof_last_bgrewrite_status", "ok")))
        why = reason(size - base, base, rests, self._config.limit_bytes)
        if why is None or not self._lease.token or time.monotonic() - self._asked < PAUSE_S:
            return False
        self._asked = time.monotonic()
        log.info("Redis rewrites its append-only file of %d MB: %s", size >> 20, why)
        try:
            await self._client.bgrewriteaof()
        except ResponseError as error:
            log.warning("Redis refuses to rewrite its append-only file: %s", error)
            return False
        return True

    def _rests(self) -> bool:
        """The tape is closed and nothing came since the last look: a replay or a delayed feed runs at any hour."""
        bars, seen = self._counts.bars, self._seen
        self._seen = bars
        now = self._clock()
        hours = tape_hours(trade_date(now, self._config.always_open), self._config.always_open)
        return bars == seen and not hours.open <= now < hours.close

    def _log_failure(self, status: str) -> None:
        failed = status != "ok"
        if failed and not self._failed:
            log.warning("the last rewrite of the append-only file failed (redis.log has the reason); it is tried again")
        self._failed = failed
