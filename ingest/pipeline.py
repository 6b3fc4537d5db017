"""From a spooled frame to bars, alerts and late data, in order; nothing here waits or knows a store.

decode -> trades into seconds -> accept -> velocity. A step returns what it found, and its caller acts on it.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from operator import itemgetter
from time import perf_counter
from typing import NamedTuple

from ingest.bars.halts import Halts
from ingest.bars.late_prints import LatePrints, NamedPrint
from ingest.bars.market_state import AHEAD_MS, MAX_SYMBOLS, MarketState, Taken
from ingest.bars.minute_bars import FillRemoved, MinuteBars
from ingest.bars.trade_bars import TradeBars
from ingest.clock import Clock
from ingest.stage_latency import StageLatency
from ingest.velocity_rule import VelocityConfig, VelocityRule
from market.bar import MINUTE_MS, SECOND_MS, Bar, Trade
from market.sessions import TradingDay
from redis_functions.contract.alerts import Alert
from redis_functions.contract.schema import Schema
from vendor.interface import Decoded, Decoder, Halt

log = logging.getLogger("tapewatch.ingest")

#: Event time that a second built from trades waits for prints of other exchanges before it is first written.
HOLD_MS = 1_000
#: Wall time without trades after which what is held is written anyway (the end of a replay, a quiet market).
IDLE_S = 2.0
#: Time of arrival at the beginning of a replay within the stream that is read but not built.
BEGINNING_MS = 5_000
#: Events worked on before other tasks get their turn.
SLICE = 2_000

_time = itemgetter(1)  # of a print


class Write(NamedTuple):
    """Bars to store; `newest[i]` is true where bar i is its symbol's newest."""

    bars: list[Bar]
    newest: list[bool]


@dataclass(slots=True)
class Found:
    """What a step found. `writes` in order; `unsure`: minute bars that may fill if the store has no seconds of their minute;
    `day`: the trading day that began."""

    writes: list[Write | FillRemoved] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    late: list[NamedPrint] = field(default_factory=list)
    unsure: list[Bar] = field(default_factory=list)
    day: TradingDay | None = None


@dataclass
class Counts:
    """Since the start. `kinds`: events by what they were when decoded, `set_aside` among them; their sum is `events`."""

    frames: int = 0
    events: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    bars: int = 0
    trades: int = 0
    spikes: int = 0
    bar_end_ms: int = 0  # end of the newest bar of the batch accepted last


class Pipeline:
    """Owns the state of the market. `waiting` of its steps is the number of bars that wait for the store."""

    def __init__(
        self,
        schema: Schema,
        velocity: VelocityConfig,
        *,
        decode: Decoder,
        minutes_subscribed: bool,
        max_symbols: int = MAX_SYMBOLS,
        clock: Clock | None = None,
        stages: StageLatency | None = None,
    ) -> None:
        self.tape = MarketState(schema.lateness_ms, max_symbols=max_symbols)
        self.trade_bars = TradeBars()
        self.late_prints = LatePrints(self.trade_bars)
        self.minute_bars = MinuteBars(self.tape, minutes_subscribed)
        self.halts = Halts()
        self.velocity = VelocityRule(velocity, self.tape)
        self.counts = Counts()
        self.set_aside: Counter[str] = Counter()
        self._decode = decode
        self.stages = stages or StageLatency()
        self.number = 0  # of the spooled record being worked on
        # When it was received: by that time, not by the clock of the moment, is judged what lies in the future, so that a replay
        # rejects what was rejected before.
        self.received_ms = 0
        self._clock = clock or Clock()
        self._found = Found()
        self._stored_to = 0
        self._partial = False
        self._began_ms = 0  # when the first of the replayed records was received
        self._aggregated: set[str] = set()  # symbols whose second bars the vendor sends itself
        self._trade_clock = 0
        self._last_trade = 0.0  # monotonic

    def begin(self, replayed_to: int, partial: bool, stored_to: int = 0) -> None:
        """Records up to number `replayed_to` were worked on before; `partial`: earlier records do not come again.

        The vendor's second bars up to record `stored_to` are in the store for certain: they are not written again.
        """
        self._stored_to = stored_to
        self._partial = partial
        self.late_prints.begin(replayed_to)

    @property
    def event_clock(self) -> int:
        """The newest event time seen, also of seconds that are still being built."""
        return max(self.tape.clock, self._trade_clock - self._trade_clock % SECOND_MS)

    @property
    def rejected(self) -> Counter[str]:
        """Bars and prints that were rejected for their time, by reason, since the start."""
        rejected = Counter(self.tape.counts.rejected)
        rejected["future"] += self.set_aside["future"]
        return rejected

    # --- the steps

    def decode(self, frame: bytes, number: int = 0, received_ms: int = 0) -> Decoded:
        """Decodes the frame of a spooled record and counts its events; `step` then takes them, whole or in parts.

        `received_ms`: when it was received, 0 for now.
        """
        self.number, self.received_ms = number, received_ms or self._clock()
        began = perf_counter()
        found = self._decode(frame)
        self.stages.decode.since(began)
        self.counts.frames += 1
        self.counts.events += found.events
        kinds = self.counts.kinds
        kinds["second"] += len(found.bars)
        kinds["trade"] += len(found.trades)
        if found.minutes:
            kinds["minute"] += len(found.minutes)
        if found.halts or found.bands:
            kinds["halt"] += len(found.halts)
            kinds["band"] += found.bands
        if found.statuses:
            kinds["status"] += len(found.statuses)
        if found.set_aside:
            self.set_aside.update(found.set_aside)
            kinds["set_aside"] += found.set_aside.total()
        return found

    def step(self, events: Decoded, waiting: int = 0) -> Found:
        """Takes the events of a frame, or of a part of one."""
        if self.tape.is_full:
            self._leave_out(events)
        if events.bars:
            self._seconds(events.bars, write=self.number > self._stored_to)
        if events.trades:
            self._trades(events.trades)
        if events.minutes:
            self._use(self.minute_bars.take(events.minutes))
        for halt in events.halts:
            self._halt(halt)
        self._use(self.minute_bars.release(self.tape.clock, waiting))
        return self._take_found()

    def _leave_out(self, events: Decoded) -> None:
        """Drops what would be kept by name for symbols beyond the limit; second bars are checked where they get numbers."""
        admits = self.tape.admits
        events.trades = [trade for trade in events.trades if admits(trade.sym)]
        events.minutes = [bar for bar in events.minutes if admits(bar.sym)]
        events.halts = [halt for halt in events.halts if admits(halt.sym)]

    def overtake(self, bars: list[Bar]) -> Found:
        """Takes second bars of a record behind those that still wait. The event clock stays with the record being worked on."""
        clock, received_ms = self.tape.clock, self.received_ms
        self.received_ms = self._clock()
        self._seconds(bars, write=True)
        self.tape.clock, self.received_ms = clock, received_ms
        return self._take_found()

    def idle(self, waiting: int = 0) -> Found:
        """To be called a few times a second: what waited for an event clock that no longer moves."""
        if self._last_trade and time.monotonic() - self._last_trade > IDLE_S:
            self._last_trade = 0.0
            self._take_built(None)
        self._use(self.minute_bars.idle(waiting))
        return self._take_found()

    def drain(self) -> Found:
        """All that is held back; at shutdown."""
        self._take_built(None)
        self._use(self.minute_bars.release_all())
        return self._take_found()

    def fill(self, bars: list[Bar]) -> Found:
        """Minute bars that were unsure, and whose minutes have no seconds in the store."""
        self._store(self.minute_bars.still_missing(bars))
        return self._take_found()

    def builds(self, symbol: str) -> bool:
        """Whether the symbol's seconds are built here, from trades."""
        return symbol in self.trade_bars and symbol not in self._aggregated

    def _take_found(self) -> Found:
        found, self._found = self._found, Found()
        return found

    # --- seconds, trades, minutes, halts

    def _seconds(self, bars: list[Bar], write: bool) -> None:
        """The vendor's own second bars."""
        for taken in self._store(bars, write):
            # By number first: a set of names costs more than the rest of the market state's work.
            known = self.tape.aggregated[taken.idx]
            if not known.all():
                self.tape.aggregated[taken.idx] = True
                self._aggregated.update(bar.sym for bar in taken.bars)

    def _trades(self, trades: list[Trade]) -> None:
        """Prints, built into seconds; not for symbols whose second bars come from the vendor."""
        limit = self.received_ms + AHEAD_MS
        usable = trades
        if max(map(_time, trades)) > limit:
            usable = [x for x in trades if x.t <= limit]
            self.set_aside["future"] += len(trades) - len(usable)
            early = [x.t for x in trades if x.t > limit]
            self.tape.counts.ahead_ms = max(early) - limit + AHEAD_MS
            self.tape.counts.reject_from(min(early))
        if self._aggregated:
            usable = [x for x in usable if x.sym not in self._aggregated]
        if not usable:
            return
        if self._partial and self._skip(usable):
            return
        self.counts.trades += len(usable)
        self.trade_bars.add_many(usable)
        self._last_trade = time.monotonic()
        self._trade_clock = max(self._trade_clock, max(map(_time, usable)))
        self._take_built(self._trade_clock - HOLD_MS)

    def _skip(self, trades: list[Trade]) -> bool:
        """Whether a replay that began within the stream is still in its first seconds: these prints were processed before,
        and only show from which second on all prints are seen."""
        if self._began_ms == 0:
            self._began_ms = self.received_ms
        if self.received_ms - self._began_ms >= BEGINNING_MS:
            self._partial = False
            return False
        newest = max(x.t for x in trades)
        self.trade_bars.floor = max(self.trade_bars.floor, newest // SECOND_MS * SECOND_MS + SECOND_MS)
        return True

    def _take_built(self, before_ms: int | None) -> None:
        # The vendor may have begun to send second bars for the symbol since then: those are more precise.
        own = self._aggregated
        self._store([bar for bar in self.trade_bars.take(before_ms) if bar.sym not in own])
        for late in self.trade_bars.take_late():
            if late.sym not in own and (named := self.late_prints.name(late, self.number, self._trade_clock)):
                self._found.late.append(named)

    def _use(self, bars: Sequence[Bar]) -> None:
        """Judges and stores minute bars that are due."""
        if bars:
            judged = self.minute_bars.judge(bars)
            self._found.unsure += judged.unsure
            self._store(judged.fills)

    def _halt(self, halt: Halt) -> None:
        if halt.halted:
            for symbol in self.halts.halt(halt.sym, halt.t):
                log.info("%s: trading halted", symbol)
        else:
            _log_resumed(self.halts.resume(halt.sym, halt.t), "trading resumed")

    # --- accepting and watching

    def _store(self, bars: list[Bar], write: bool = True) -> list[Taken]:
        """Accepts bars, returns them for writing if `write`, and runs the velocity rule over the seconds among them."""
        if not bars:
            return []
        day = self.tape.day
        began = perf_counter()
        batches = self.tape.take(bars, self.received_ms)
        self.velocity.learn_symbols()
        self.stages.tape.since(began)
        if self.tape.day is not day:
            self._begin_day()
        for taken in batches:
            if taken.bars:
                self._accepted(taken, write)
        return batches

    def _accepted(self, taken: Taken, write: bool) -> None:
        seconds = taken.bars[0].span < MINUTE_MS  # a batch is all seconds or all minutes
        if write:
            self._found.writes.append(Write(taken.bars, taken.newest))
            if seconds:
                self._found.writes += self.minute_bars.removed_by(taken)
        _log_resumed(self.halts.trade(taken.bars), "it trades, so its halt is over")
        self.counts.bars += len(taken.bars)
        self.counts.bar_end_ms = int(taken.t.max()) + taken.bars[-1].span
        if seconds:
            began = perf_counter()
            alerts = self.velocity.watch(taken)
            self.stages.velocity.since(began)
            self.counts.spikes += len(alerts)
            self._found.alerts += alerts

    def _begin_day(self) -> None:
        assert self.tape.day is not None
        self.velocity.begin_day()
        _log_resumed(self.halts.begin_day(self.tape.day.start), "its halt ends with its day")
        self._found.day = self.tape.day


def _log_resumed(symbols: Iterable[str], why: str) -> None:
    for symbol in symbols:
        log.info("%s: %s", symbol, why)


def parts(events: Decoded) -> Iterator[Decoded]:
    """A large frame in parts of at most SLICE events of a kind, so that the socket and the alerts get their turn in between.

    Every list of `Decoded` is cut, whatever it holds: a kind of event that is added there needs no line here.
    """
    if events.events <= SLICE:
        yield events
        return
    lists = {name: value for name in Decoded.__slots__ if isinstance(value := getattr(events, name), list)}
    for begin in range(0, max(map(len, lists.values())), SLICE):
        part = Decoded()
        for name, value in lists.items():
            setattr(part, name, value[begin : begin + SLICE])
        yield part
