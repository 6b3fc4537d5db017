"""When Redis rewrites its append-only file: while the market rests, before the file outgrows its limit or the disk is full.

A day of the whole market adds some 10 GB to the file. By its own rule (whenever the file has doubled) Redis would rewrite it
every few minutes, each time in a fork whose memory is shared only as long as nothing is written. So that rule is switched off
in the embedded server, and the daemon that holds the feed asks: only its writes make the file grow, and it knows the market's
hours. Where memory is short it holds its writes while the fork lives, so that next to nothing is copied; the bars wait in the
queue and in the spool, alerts are raised meanwhile.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from ingest.clock import Clock
from ingest.pipeline import Counts
from ingest.spool.log import Spool
from market.calendar import tape_hours, trade_date
from redis_functions.errors import Kind, kind_of
from redis_functions.write.lease import Lease
from redis_functions.write.writer import Writer

log = logging.getLogger("tapewatch.ingest")

LOOK_S = 5.0
#: After a rewrite that failed or was refused the next is not asked for before; seconds.
PAUSE_S = 60.0
#: A file that has grown by less is left alone: a rewrite would win little.
WORTH_BYTES = 64 << 20
#: A rewrite is looked at so often, and writes are held for so long at most; seconds.
PROGRESS_S, HOLD_S = 0.1, 120.0
#: The rewritten file at most, of Redis's used memory (0.55 measured, bench.day), and what else is left free on the disk.
BASE_SHARE, SPARE_BYTES = 0.7, 128 << 20


@dataclass(frozen=True)
class RewriteConfig:
    """`limit_bytes`: growth of the file after which it is rewritten during the market too. `folder`: where an embedded Redis
    keeps it; None: asked for, where Redis is on this machine. `hold`: hold writes meanwhile, also where memory is ample."""

    limit_bytes: int = 512 << 20
    always_open: bool = False
    folder: Path | None = None
    hold: bool = False


def needed_bytes(base: int, used_memory: int) -> int:
    """Free bytes that a rewrite needs: for the new file beside the old one, and something to spare."""
    return max(base, int(used_memory * BASE_SHARE)) + SPARE_BYTES


def reason(growth: int, base: int, rests: bool, limit: int, free: int | None = None, needed: int = 0) -> str | None:
    """Why a file that has grown by `growth` since it had `base` bytes is to be rewritten now; None: it is not.

    `free` and `needed` bytes: on its disk, and for a rewrite; None where the disk is not known. It is rewritten while there is
    still space for two. While the market rests it must have doubled.
    """
    if growth > limit:
        return "it has reached its limit"
    if free is not None and free < 2 * needed and growth >= WORTH_BYTES:
        return f"its disk has {free >> 20} MB left"
    if rests and growth >= max(WORTH_BYTES, base):
        return "the market rests"
    return None


class Rewrites:
    """Looks at the file, to be called every LOOK_S, and has it rewritten."""

    def __init__(
        self,
        client: Redis,
        config: RewriteConfig,
        lease: Lease,
        counts: Counts,
        clock: Clock,
        writer: Writer,
        spool: Spool,
    ) -> None:
        """Only the daemon that holds the `lease` asks; `counts` are those of its pipeline. `writer` is held meanwhile, and
        `spool` gives way where the disk is short of space."""
        self._client = client
        self._config = config
        self._lease, self._counts, self._clock = lease, counts, clock
        self._writer, self._spool = writer, spool
        self._folder = config.folder
        self._asked_folder = False
        self._size = 0.0
        self._seen = -1
        self._refused_at = -math.inf
        self._failed = False

    def statistics(self) -> dict[str, float]:
        """The file's size when it was looked at last, 0 where Redis keeps none; and the free bytes of the spool's disk."""
        return {"redis_aof_bytes": self._size, "disk_free_bytes": free_bytes(self._spool.folder)}

    async def look(self) -> bool:
        """Looks once; whether the file was rewritten. Raises redis.RedisError."""
        try:
            status: dict[str, Any] = await self._client.info("persistence")
        except ResponseError as error:
            if kind_of(error) is not Kind.DENIED:
                raise
            return False  # this user may not ask, so Redis's own rule decides
        rests = self._rests()
        if not status.get("aof_enabled"):
            self._size = 0.0
            return False
        size, base = int(status["aof_current_size"]), int(status["aof_base_size"])
        self._size = float(size)
        if status["aof_rewrite_in_progress"] or status.get("aof_rewrite_scheduled"):
            return False  # somebody else has asked
        self._log_failure(str(status.get("aof_last_bgrewrite_status", "ok")))
        used = int((await self._client.info("memory"))["used_memory"])
        needed = needed_bytes(base, used)
        free = await self._free(needed)
        why = reason(size - base, base, rests, self._config.limit_bytes, free, needed)
        paused = time.monotonic() - self._refused_at < PAUSE_S
        if why is None or not self._lease.token or paused:
            return False
        return await self._rewrite(size, why, hold=self._config.hold or memory_available() < used)

    async def _rewrite(self, size: int, why: str, hold: bool) -> bool:
        """Has the file rewritten and waits for the end; whether it succeeded."""
        held = "; bars wait meanwhile" if hold else ""
        log.info("Redis rewrites its append-only file of %d MB: %s%s", size >> 20, why, held)
        began = time.monotonic()
        try:
            if hold:
                await self._writer.hold()
            await self._client.bgrewriteaof()
            status = await self._finished(began)
        except ResponseError as error:
            log.warning("Redis refuses to rewrite its append-only file: %s", error)
            self._refused_at = time.monotonic()
            return False
        finally:
            self._writer.release()
        self._size = float(status["aof_current_size"])
        self._log_failure(str(status.get("aof_last_bgrewrite_status", "ok")))
        if self._failed:
            self._refused_at = time.monotonic()
            return False
        log.info(
            "append-only file rewritten in %.1f s, %d MB; %d bars waited",
            time.monotonic() - began, int(self._size) >> 20, self._writer.waiting if hold else 0,
        )  # fmt: skip
        return True

    async def _finished(self, began: float) -> dict[str, Any]:
        """Waits until no rewrite is under way; past HOLD_S the writes go on beside it."""
        while True:
            await asyncio.sleep(PROGRESS_S)
            status: dict[str, Any] = await self._client.info("persistence")
            if not status["aof_rewrite_in_progress"] and not status.get("aof_rewrite_scheduled"):
                return status
            if time.monotonic() - began > HOLD_S:
                self._writer.release()

    async def _free(self, needed: int) -> int | None:
        """Free bytes on the file's disk; where they are few, after the spool gave way. None where the disk is not known."""
        folder = await self._folder_of_redis()
        if folder is None:
            return None
        free = free_bytes(folder)
        if free < 2 * needed and same_disk(folder, self._spool.folder):
            freed = self._spool.give_way(2 * needed - free)
            if freed:
                log.info("%d MB of the spool deleted, which are in Redis: the disk is short of space", freed >> 20)
            free = free_bytes(folder)
        return free

    async def _folder_of_redis(self) -> Path | None:
        """Where Redis keeps the file, if that is a folder of this machine."""
        if self._folder is None and not self._asked_folder:
            self._asked_folder = True
            socket_path = self._client.get_connection_kwargs().get("path")
            if socket_path is None:
                return None  # on another machine, as far as is known
            folder = Path(socket_path).parent / "redis"  # the embedded server's, which need not be asked
            if not (folder / "appendonlydir").is_dir():
                found: dict[str | None, str | None] = {}
                with contextlib.suppress(ResponseError):  # the user may not ask
                    found = await self._client.config_get("dir")
                folder = Path(found.get("dir") or "/nonexistent")
            self._folder = folder if folder.is_dir() else None
        return self._folder

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


def free_bytes(folder: Path) -> int:
    """Free bytes of the folder's disk that its user may fill."""
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def same_disk(one: Path, other: Path) -> bool:
    return one.stat().st_dev == other.stat().st_dev


def memory_available(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes of memory that are available on this machine; 0 where that is not known."""
    try:
        found = next(line for line in meminfo.read_text().splitlines() if line.startswith("MemAvailable:"))
        return int(found.split()[1]) * 1024
    except (OSError, StopIteration, ValueError):
        return 0
