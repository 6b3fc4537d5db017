"""What waits to be written to Redis: one worker, one policy of retries, and one place to ask what is not there yet.

Each kind of item has a lane, in which order is kept. An item keeps the number of the spooled record it came from, so that the
watermark stays behind that record until the item is done.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Sequence
from itertools import islice
from typing import Any, Generic, TypeVar

from redis.exceptions import RedisError

from ingest.tasks import ended
from redis_functions.availability import Availability
from redis_functions.errors import may_pass

log = logging.getLogger("tapewatch.ingest")

#: Between tries, seconds.
RETRY_S = 0.5

T = TypeVar("T")


class Lane(ABC, Generic[T]):
    """Items of one kind, in order; the first ones stay until `send` has done them."""

    #: What an item is, for logs.
    name = ""
    #: Items sent in one go.
    most = 1

    def __init__(self, availability: Availability) -> None:
        self.refused = 0  # items that Redis refuses for good, since the start
        self._availability = availability
        self._items: deque[tuple[int, T]] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, number: int, item: T) -> None:
        """Queues an item of record `number` of the spool."""
        self._items.append((number, item))
        self._empty.clear()
        self._filled.set()

    @abstractmethod
    async def send(self, items: Sequence[T]) -> int:
        """Sends items, the first of the lane; returns how many of them are done, 0 to try again later.

        Raises redis.RedisError of the first of them.
        """

    @property
    def oldest(self) -> int | None:
        """The smallest number of a record of which something waits here."""
        return min((number for number, _ in self._items), default=None)

    async def emptied(self) -> None:
        """Waits until nothing is left."""
        await self._empty.wait()

    async def run(self) -> None:
        """Sends until cancelled. What Redis refuses for good is counted, logged and dropped; what may pass is tried again."""
        try:
            while True:
                await self._send_some()
        finally:
            self._availability.withdraw(self.name)

    async def _send_some(self) -> None:
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        items = [item for _, item in islice(self._items, self.most)]
        try:
            done = await self.send(items)
            self._availability.served(self.name)
        except RedisError as error:
            done = 0 if may_pass(error) else 1
            if done:
                self.refused += 1
                log.error("Redis refuses %s, which is dropped: %s: %s", self.name, error, items[0])
            else:
                self._availability.failed(self.name, error)
        for _ in range(done):
            self._items.popleft()
        if not self._items:
            self._empty.set()
        if not done:
            await asyncio.sleep(RETRY_S)


class Outbox:
    """The lanes, worked off beside each other: one that waits does not hold up the others."""

    def __init__(self, *lanes: Lane[Any]) -> None:
        self._lanes = lanes

    @property
    def oldest(self) -> int | None:
        """The smallest number of a record of which something waits in any lane."""
        return min((lane.oldest for lane in self._lanes if lane.oldest is not None), default=None)

    async def emptied(self) -> None:
        """Waits until nothing is left in any lane."""
        for lane in self._lanes:
            await lane.emptied()

    async def run(self) -> None:
        """Works until cancelled."""
        workers = [asyncio.create_task(lane.run()) for lane in self._lanes]
        try:
            await asyncio.gather(*workers)
        finally:
            await ended(*workers)
