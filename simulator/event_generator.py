"""What the vendor's feed sends after each second of the simulated market: its trades and bars, what comes late, the
corrected bars, the minute's bars, and halts. No clock and no sockets: the server asks second by second."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator

import numpy as np

from simulator.events import Event, Wire, minute_bars
from simulator.market import PHASE, Halt, Market
from simulator.noise import Ints, hashed
from simulator.prints import Generated, generate

#: Seconds generated in one go: long enough for numpy, short enough for memory.
CHUNK_S = 60
#: Indicators of LULD: the price bands, a halt, the reopening.
_BAND, _HALTED, _REOPENED = 21, 17, 18
_BAND_EVERY_S = 10


class EventGenerator:
    """Generates seconds in ascending order; late prints of seconds before the first one never come."""

    def __init__(self, market: Market) -> None:
        self.market = market
        self.wire = Wire(market)
        self._due: dict[int, list[tuple[Generated, int]]] = defaultdict(list)

    def seconds(self, start: int, end: int, channels: Collection[str]) -> Iterator[tuple[int, list[Event]]]:
        """(second, its events in the order of sending) for start..end-1; of channels not asked for, nothing."""
        for begin in range(start, end, CHUNK_S):
            yield from self._chunk(begin, min(end, begin + CHUNK_S), channels)

    def _chunk(self, start: int, end: int, channels: Collection[str]) -> Iterator[tuple[int, list[Event]]]:
        made = generate(self.market, np.arange(self.market.count), start, end)
        for row in made.late_rows.tolist():
            self._due[int(made.sec[row] + made.late[row])].append((made, row))
        edges = np.searchsorted(made.sec, np.arange(start, end + 1))
        for second in range(start, end):
            rows = np.arange(edges[second - start], edges[second - start + 1])
            events = self._on_time(made, rows, channels)
            events += self._late(second, channels)
            if "LULD" in channels:
                events += self._bands(second)
            if "AM" in channels:
                events += self._minute(second)
            yield second, events

    def _on_time(self, made: Generated, rows: Ints, channels: Collection[str]) -> list[Event]:
        events: list[Event] = []
        if not rows.size:
            return events
        if "T" in channels:
            last = made.starts[rows[-1] + 1] if rows[-1] + 1 < made.starts.size else made.prints.t.size
            span = np.arange(made.starts[rows[0]], last)
            span = span[made.prints.late[span] == 0]
            order = np.lexsort((made.prints.q[span], made.prints.t[span]))
            events += self.wire.trades(made, made.prints.take(span[order]))
        if "A" in channels:
            complete = rows[(made.late[rows] == 0) & (made.final.c[rows] >= 0)]
            early = np.flatnonzero((made.late_rows >= rows[0]) & (made.late_rows <= rows[-1]))
            events += self.wire.seconds(made, complete) + self.wire.seconds(made, early, first=True)
        return events

    def _late(self, second: int, channels: Collection[str]) -> list[Event]:
        """The prints that come late in this second, and the bars that they correct."""
        events: list[Event] = []
        for made, row in self._due.pop(second, ()):
            if "T" in channels:
                late = np.flatnonzero((made.prints.cell == row) & (made.prints.late > 0))
                events += self.wire.trades(made, made.prints.take(late))
            if "A" in channels:
                events += self.wire.seconds(made, np.array([row]))
            minute = int(made.sec[row]) // 60 * 60
            if "AM" in channels and second >= minute + 60:
                only = np.array([made.who[row]])
                whole = generate(self.market, only, minute, minute + 60)
                events += self.wire.minutes(minute, minute_bars(whole, second))
        return events

    def _minute(self, second: int) -> list[Event]:
        if (second + 1) % 60:
            return []
        minute = second - 59
        whole = generate(self.market, np.arange(self.market.count), minute, minute + 60)
        return self.wire.minutes(minute, minute_bars(whole, second))

    def _bands(self, second: int) -> list[Event]:
        events = [self.wire.bands(halt.who, second, _HALTED) for halt in self.market.halts if halt.start == second]
        events += [self.wire.bands(halt.who, second, _REOPENED) for halt in self.market.halts if halt.end - 1 == second]
        if second % _BAND_EVERY_S == 0:
            who = int(hashed(self.market.spikes.key, PHASE, second)) % self.market.count
            events.append(self.wire.bands(who, second, _BAND))
        return events

    def halt(self, start: int, seconds: int) -> Halt:
        """Halts one symbol, chosen by hash, for `seconds` from second `start` on, which must not have been generated yet."""
        who = int(hashed(self.market.spikes.key, PHASE, start, seconds)) % self.market.count
        halt = Halt(who, start, start + seconds)
        self.market.halts.append(halt)
        return halt
