"""The door by which repaired bars enter the stream's state: known to the tape, in order with live bars, told to nobody.

They are not published and the velocity detector does not see them: whoever acts on live bars must not act on the past.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ingest.bars.market_state import MarketState
from market.bar import MINUTE_MS, SECOND_MS, Bar
from redis_functions.contract.codec import latest_command, store_command
from redis_functions.write.writer import Writer

#: Bars of a symbol in one command.
TOGETHER = 50


class Backfill:
    """Answers what the repairer asks of the live stream, over the tape and the writer of the running pipeline."""

    def __init__(
        self, tape: MarketState, writer: Writer, *, built: Callable[[str], bool], minutes_only: Callable[[], bool]
    ) -> None:
        """`built`: a symbol's seconds are built here from trades; `minutes_only`: the feed brings nothing but minute bars."""
        self._tape = tape
        self._writer = writer
        self._minutes_only = minutes_only
        self.built = built

    @property
    def clock(self) -> int:
        """The newest event time, epoch ms; 0 before the first event."""
        return self._tape.clock

    @property
    def step_ms(self) -> int:
        return MINUTE_MS if self._minutes_only() else SECOND_MS

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
        """Those whose time no live bar has told, as far as this process remembers."""
        seen = self._tape.minutes.seen
        return [bar for bar in bars if not seen(self._tape.number(bar.sym), bar)]

    def store(self, bars: Sequence[Bar]) -> None:
        """Queues bars of one symbol, ascending, in order with live ones."""
        if not bars:
            return
        is_newest = self._tape.take_repaired(bars, built=self.built(bars[0].sym))
        for begin in range(0, len(bars), TOGETHER):
            self._writer.put_command(*store_command(bars[begin : begin + TOGETHER]))
        if is_newest:
            self._writer.put_command(*latest_command(bars[-1]))

    async def stored(self) -> None:
        """Waits until all that was queued is in Redis."""
        await self._writer.flushed()
