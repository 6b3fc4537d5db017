"""Jobs beside the stream: a job that fails is logged once and tried again; it never ends the feed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import TypeVar

from redis.exceptions import RedisError

from ingest.spool.errors import SpoolError
from redis_functions.availability import Availability
from redis_functions.errors import StoreRefused, may_pass
from redis_functions.write.writer import StoreEmptied

log = logging.getLogger("tapewatch.ingest")

#: Before the next try: after Redis did not serve, and after any other error; seconds.
RETRY_S, PAUSE_S = 0.5, 5.0

T = TypeVar("T")


class Upkeep:
    """Runs jobs until they are cancelled.

    Only StoreEmptied, StoreRefused and SpoolError pass: they end the engine, or the process.
    """

    def __init__(self, availability: Availability) -> None:
        self._availability = availability
        self._failing: dict[str, str] = {}  # the jobs that failed last time, with their error

    async def until_done(self, name: str, job: Callable[[], Awaitable[T]]) -> T:
        """Runs a job, again and again until it does not fail, and returns its result."""
        try:
            while True:
                try:
                    result = await job()
                except (StoreEmptied, StoreRefused, SpoolError):
                    raise
                except Exception as error:
                    await asyncio.sleep(self._failed(name, error))
                else:
                    self._worked(name)
                    return result
        finally:
            self._availability.withdraw(name)

    async def every(self, interval_s: float, name: str, job: Callable[[], Awaitable[object]]) -> None:
        """Runs a job each `interval_s` seconds, from the end of one run to the start of the next, until cancelled."""
        while True:
            await self.until_done(name, job)
            await asyncio.sleep(interval_s)

    def _failed(self, name: str, error: Exception) -> float:
        """Notes a failure; the seconds to wait."""
        if isinstance(error, RedisError) and may_pass(error):
            self._availability.failed(name, error)
            return RETRY_S
        if self._failing.get(name) != str(error):
            self._failing[name] = str(error)
            log.error("%s failed; it is tried again every %g s, the feed goes on", name, PAUSE_S, exc_info=error)
        return PAUSE_S

    def _worked(self, name: str) -> None:
        self._availability.served(name)
        if self._failing.pop(name, None) is not None:
            log.info("%s works again", name)
