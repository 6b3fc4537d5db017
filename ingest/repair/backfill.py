"""How repaired bars enter the live stream: recorded in the market state, written in order with live bars, not published.

The velocity detector does not see them either: consumers of live bars must not act on the past.
"""

from __future__ import annotations

from collections.abc import Sequence

from ingest.pipeline import Pipeline
from market.bar import MINUTE_MS, SECOND_MS, Bar
from redis_functions.contract.codec import latest_command, store_command
from redis_functions.write.writer import Writer

#: Bars of a symbol in one command.
BATCH = 50


class Backfill:
    """What repairs ask of the live stream, and the way into it."""

    def __init__(self, pipeline: Pipeline, writer: Writer, *, minutes_only: bool) -> None:
        """`minutes_only`: the feed brings nothing but minute bars."""
        self.step_ms = MINUTE_MS if minutes_only else SECOND_MS
        self.built = pipeline.builds
        self._tape = pipeline.tape
        self._writer = writer

    @property
    def clock(self) -> int:
        """The newest event time, epoch ms; 0 before the first event."""
        return self._tape.clock

    def restated(self, symbol: str) -> int:
        """The symbol's live bars that replaced an earlier version, since the start."""
        idx = self._tape.index.get(symbol)
        return 0 if idx is None else int(self._tape.restated[idx])

    def newest(self, symbol: str) -> int | None:
        """The start of the symbol's newest bar that was taken, stored yet or not."""
        idx = self._tape.index.get(symbol)
        newest = -1 if idx is None else int(self._tape.newest[idx])
        return newest if newest >= 0 else None

    def missing(self, bars: Sequence[Bar]) -> list[Bar]:
        """Those whose time no live bar had, as far as this process remembers."""
        seen = self._tape.minutes.seen
        return [bar for bar in bars if not seen(self._tape.number(bar.sym), bar)]

    def store(self, bars: Sequence[Bar]) -> None:
        """Queues bars of one symbol, ascending, in order with live ones."""
        if not bars:
            return
        is_newest = self._tape.take_repaired(bars, built=self.built(bars[0].sym))
        for begin in range(0, len(bars), BATCH):
            self._writer.put_command(*store_command(bars[begin : begin + BATCH]))
        if is_newest:
            self._writer.put_command(*latest_command(bars[-1]))

    async def stored(self) -> None:
        """Waits until all that was queued is in Redis."""
        await self._writer.flushed()
