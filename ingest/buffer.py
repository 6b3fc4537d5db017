"""The bounded hand-off between reading the socket and working: a slow moment of the worker never stalls the socket."""

from __future__ import annotations

import asyncio
from collections import deque


class Buffer:
    """Frames in order of arrival, at most `limit` bytes of them. What does not fit is dropped and counted, never silently."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.bytes = 0
        self.dropped = 0  # frames
        self._frames: deque[bytes] = deque()
        self._wake = asyncio.Event()
        self._closed = False

    def put(self, frame: bytes) -> bool:
        """Takes `frame`; False when it does not fit. A frame larger than the limit fits an empty buffer."""
        if self._frames and self.bytes + len(frame) > self.limit:
            self.dropped += 1
            return False
        self._frames.append(frame)
        self.bytes += len(frame)
        self._wake.set()
        return True

    def close(self) -> None:
        """No more frames will come: `get` hands out what is left, then None."""
        self._closed = True
        self._wake.set()

    async def get(self) -> bytes | None:
        """The next frame; None when closed and empty."""
        while not self._frames:
            if self._closed:
                return None
            self._wake.clear()
            await self._wake.wait()
        frame = self._frames.popleft()
        self.bytes -= len(frame)
        return frame

    def __len__(self) -> int:
        return len(self._frames)
