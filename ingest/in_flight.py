"""Frames whose bars are being written to Redis: their latency, the age of the oldest, and the lag behind the market."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from ingest.clock import Clock
from ingest.stage_latency import StageLatency
from redis_functions.write.writer import Writer


class _Frame(NamedTuple):
    number: int
    received_ms: int
    bar_end_ms: int  # end of its newest bar


class InFlight:
    """Records frames when they are queued, and observes them when Redis has acknowledged everything before a mark."""

    def __init__(self, writer: Writer, clock: Clock, stages: StageLatency, begun_after: int) -> None:
        """Records up to number `begun_after` were spooled before: their duration is not counted as latency."""
        self.lag_ms = 0.0  # from the end of a bar's second to its acknowledgement, of the newest bar
        self._writer = writer
        self._clock = clock
        self._stages = stages
        self._begun_after = begun_after
        self._frames: deque[_Frame] = deque()
        self._newest_end_ms = 0

    @property
    def oldest_ms(self) -> int | None:
        """When the oldest frame was received of which Redis has not acknowledged all; None where there is none."""
        return self._frames[0].received_ms if self._frames else None

    def queued(self, number: int, received_ms: int, bar_end_ms: int) -> None:
        """All of a frame was handed to the writer."""
        if self._writer.put_mark(number):
            self._frames.append(_Frame(number, received_ms, bar_end_ms))

    def stored(self, seconds: float) -> None:
        """Redis has the bars of one `put`, after so many seconds, and with them perhaps all of some frames."""
        self._stages.store.observe(seconds)
        while self._frames and self._frames[0].number <= self._writer.acknowledged:
            number, received_ms, bar_end_ms = self._frames.popleft()
            if number <= self._begun_after:
                continue
            now = self._clock()
            self._stages.total.observe((now - received_ms) / 1000)
            if bar_end_ms >= self._newest_end_ms:  # a restated bar is old by nature, that is no lag
                self.lag_ms, self._newest_end_ms = max(0.0, now - bar_end_ms), bar_end_ms
