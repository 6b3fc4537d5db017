"""Names of late prints, by which the store merges each of them once, also when a replay after a crash repeats it."""

from __future__ import annotations

import secrets
from typing import NamedTuple

from ingest.bars.trade_bars import LatePrint, TradeBars

#: Event time after a replay until no print can come any more that was merged before the crash.
SETTLED_MS = 300_000


class NamedPrint(NamedTuple):
    """A late print; `key` identifies it among those of its symbol, `also` is a second key that a later run may look for."""

    late: LatePrint
    key: str
    also: str


class LatePrints:
    """Names late prints by the spooled record they came in, so that a replay gives the same names.

    A second that the replay built again holds its prints on time alone, so its late prints are merged again, under a name of
    this run. Any other second still holds what it held: prints of records before the watermark stay out, and those behind it
    may be in the store and are recognized there by their name.
    """

    def __init__(self, trade_bars: TradeBars) -> None:
        self._bars = trade_bars
        self._run = secrets.token_hex(4)
        self._replayed_to = 0
        self._replay_clock = 0  # the clock of trades when the replay was over
        self._number = self._count = 0  # the record, and its late prints so far

    def begin(self, replayed_to: int) -> None:
        """Records up to number `replayed_to` were worked on before (0: none)."""
        self._replayed_to = replayed_to
        if replayed_to:
            self._bars.built = set()

    def name(self, late: LatePrint, number: int, clock: int) -> NamedPrint | None:
        """`late` of record `number` with its names, None where the store has it; `clock`: the newest trade's time."""
        if number != self._number:
            self._number, self._count = number, 0
        self._count += 1
        key = f"{number}:{self._count}"
        built = self._bars.built
        if built is None:
            return NamedPrint(late, key, "")
        if (late.sym, late.t_second) in built:
            return NamedPrint(late, f"{self._run}:{key}", key)
        if number <= self._replayed_to:
            return None
        if self._replay_clock == 0:
            self._replay_clock = clock
        elif clock > self._replay_clock + SETTLED_MS:
            self._bars.built = None  # nothing from here on can have been merged before the crash
        return NamedPrint(late, key, "")
