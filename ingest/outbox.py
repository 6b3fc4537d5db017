"""What waits for Redis, in order: each item with the number of the spooled record it came from, so that the watermark stays
behind it until it is done."""

from __future__ import annotations

import asyncio
from collections import deque
from itertools import islice
from typing import Generic, TypeVar

T = TypeVar("T")


class Outbox(Generic[T]):
    """A queue whose first item stays in it until it was worked on (`drop`)."""

    def __init__(self) -> None:
        self._items: deque[tuple[int, T]] = deque()
        self._filled = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()

    def put(self, number: int, item: T) -> None:
        self._items.append((number, item))
        self._empty.clear()
        self._filled.set()

    @property
    def oldest(self) -> int | None:
        """The number of the oldest record of which something waits here."""
        return self._items[0][0] if self._items else None

    async def first(self) -> T:
        """The first item, as soon as there is one; it stays until `drop`."""
        return (await self.upcoming(1))[0]

    async def upcoming(self, most: int) -> list[T]:
        """The first items, as soon as there is one; they stay until `drop`."""
        while not self._items:
            self._filled.clear()
            await self._filled.wait()
        return [item for _, item in islice(self._items, most)]

    def drop(self) -> None:
        """The first item is done."""
        self._items.popleft()
        if not self._items:
            self._empty.set()

    async def emptied(self) -> None:
        """Waits until nothing is left."""
        await self._empty.wait()
