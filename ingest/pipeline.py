"""From a frame to stored bars and raised alerts: the main path of the daemon, in order of what happens.

decode -> trades into seconds -> accept -> store -> velocity -> alerts. One frame at a time, nothing here waits for Redis.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from operator import itemgetter
from time import perf_counter

from indicators.velocity import Detector, Spike
from ingest.bars.halts import Halts
from ingest.bars.market_state import MarketState, Taken
from ingest.bars.trade_bars import LatePrint, TradeBars
from ingest.minute_bars import MinuteBars
from ingest.stage_latency import StageLatency
from market.bar import MINUTE_MS, SECOND_MS, Bar, Trade
from market.price import SCALE, text
from market.sessions import TradingDay
from redis_functions.contract.alerts import Alert, alert_id
from redis_functions.contract.schema import Schema
from redis_functions.write.writer import Writer
from vendor.interface import Decoded, Decoder, Halt

log = logging.getLogger("tapewatch.ingest")

VELOCITY_RULE = "velocity"
#: Event time that a second built from trades waits for prints of other exchanges before it is first written.
HOLD_MS = 1_000
#: Wall time without trades after which what is held is written anyway (the end of a replay, a quiet market).
IDLE_S = 2.0
#: Event time after a replay until all that a crash left open has come by.
SETTLED_MS = 300_000
#: Time of arrival at the beginning of a replay amid the stream that is only listened to.
BEGINNING_MS = 5_000
#: A move of so many thresholds is critical.
CRITICAL = 4.0
#: Events worked on before other tasks get their turn.
SLICE = 2_000

_time = itemgetter(1)  # of a print


@dataclass(frozen=True)
class VelocityConfig:
    """The built-in rule: percent over a window in seconds of event time, and the cooldown per symbol and direction."""

    window_s: int = 5
    threshold: float = 0.5
    cooldown_s: int = 300
    base: str = "previous_close"
    max_age_s: int = 30


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
    """Owns the state of the tape; hands bars to the writer, spikes and late prints to whoever waits for Redis."""

    def __init__(
        self,
        schema: Schema,
        velocity: VelocityConfig,
        writer: Writer,
        *,
        on_alert: Callable[[Alert, int], None],
        on_late: Callable[[LatePrint, int, str, str], None],
        on_unsure: Callable[[Bar, int], None],
        on_day: Callable[[TradingDay], None],
        decode: Decoder,
        minutes_subscribed: bool,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
        stages: StageLatency | None = None,
    ) -> None:
        self.tape = MarketState(schema.lateness_ms)
        self.trade_bars = TradeBars()
        self.counts = Counts()
        self.set_aside: Counter[str] = Counter()
        self.halts = Halts()
        self.detector = Detector(
            window_s=velocity.window_s,
            threshold=velocity.threshold,
            cooldown_s=velocity.cooldown_s,
            base=velocity.base,
            max_age_s=velocity.max_age_s,
        )
        self.minute_bars = MinuteBars(
            self.tape, writer, self.store, lambda bar: on_unsure(bar, self.number), minutes_subscribed
        )
        self._velocity = velocity
        self._writer = writer
        self._decode = decode
        self._on_alert = on_alert
        self._on_late = on_late
        self._on_day = on_day
        self._now_ms = now_ms
        self.stages = stages or StageLatency()
        self.number = 0  # of the spooled record being worked on
        self._lates = 0  # late prints it held
        self._run = secrets.token_hex(4)
        self._replayed_to = self._stored_to = 0
        self._partial = False
        self._began_ms = 0  # when the first of the replayed records was received
        self.received_ms = 0  # when the record being worked on was received
        self._replay_clock = 0  # the trade clock when the replay was over
        self._met = 0  # symbols that the detector knows
        self._previous: dict[str, float] = {}
        self._aggregated: set[str] = set()  # symbols whose second bars the vendor sends itself
        self._trade_clock = 0
        self._last_trade = 0.0  # monotonic

    def begin(self, replayed_to: int, partial: bool, stored_to: int = 0) -> None:
        """Records up to number `replayed_to` were worked on before; `partial`: earlier ones are not told again.

        The vendor's second bars up to record `stored_to` are in the store for certain: they are not written again.
        """
        self._replayed_to = replayed_to
        self._stored_to = stored_to
        self._partial = partial
        if replayed_to:
            self.trade_bars.built = set()

    @property
    def event_clock(self) -> int:
        """The newest event time seen, also of seconds that are still being built."""
        return max(self.tape.clock, self._trade_clock - self._trade_clock % SECOND_MS)

    def frame(self, frame: bytes, number: int = 0, received_ms: int = 0) -> Decoded:
        """Decodes one frame and counts it; `work` then takes its records."""
        self.received_ms = received_ms
        if number != self.number:
            self.number, self._lates = number, 0
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

    def work(self, found: Decoded) -> None:
        """Takes all records of a frame."""
        if found.bars:
            self.seconds(found.bars)
        if found.trades:
            self.trades(found.trades)
        if found.minutes:
            self.minute_bars.take(found.minutes)
        for halt in found.halts:
            self._halt(halt)
        self.minute_bars.release(self.tape.clock)

    def seconds(self, bars: list[Bar]) -> None:
        """The vendor's own second bars."""
        for taken in self.store(bars, write=self.number > self._stored_to):
            # By number first: a set of names costs more than the rest of the tape's work together.
            known = self.tape.aggregated[taken.idx]
            if not known.all():
                self.tape.aggregated[taken.idx] = True
                self._aggregated.update(bar.sym for bar in taken.bars)

    def trades(self, trades: list[Trade]) -> None:
        """Prints, built into seconds; not for symbols whose second bars come from the vendor."""
        limit = self._now_ms() + 5_000
        usable = trades
        if max(map(_time, trades)) > limit:
            usable = [x for x in trades if x.t <= limit]
            self.set_aside["future"] += len(trades) - len(usable)
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
        """Whether a replay that began amid the stream is still within its first seconds: they were worked on before, and
        only tell from which second on all prints are seen."""
        if self._began_ms == 0:
            self._began_ms = self.received_ms
        if self.received_ms - self._began_ms >= BEGINNING_MS:
            self._partial = False
            return False
        newest = max(x.t for x in trades)
        self.trade_bars.floor = max(self.trade_bars.floor, newest // SECOND_MS * SECOND_MS + SECOND_MS)
        return True

    def _take_built(self, before_ms: int | None) -> None:
        # The vendor may have begun to send a symbol's own second bars since its prints were taken: those are the better ones.
        own = self._aggregated
        self.store([bar for bar in self.trade_bars.take(before_ms) if bar.sym not in own])
        for late in self.trade_bars.take_late():
            if late.sym not in own:
                self._late(late)

    def _late(self, late: LatePrint) -> None:
        """Each print is merged once, also when a replay after a crash tells it again.

        A second that the replay built again holds its prints on time alone, so its late prints are merged again, under a
        name of this run. Any other still holds what it held: what is known to be in Redis stays out, and what may be is
        told by its name.
        """
        self._lates += 1
        key, also = f"{self.number}:{self._lates}", ""
        built = self.trade_bars.built
        if built is not None:
            if (late.sym, late.t_second) in built:
                key, also = f"{self._run}:{key}", key
            elif self.number <= self._replayed_to:
                return
            elif self._replay_clock == 0:
                self._replay_clock = self._trade_clock
            elif self._trade_clock > self._replay_clock + SETTLED_MS:
                self.trade_bars.built = None  # nothing from here on can have been merged before the crash
        self._on_late(late, self.number, key, also)

    def builds(self, symbol: str) -> bool:
        """Whether the symbol's seconds are built here, from trades."""
        return symbol in self.trade_bars and symbol not in self._aggregated

    def idle(self) -> None:
        """Called a few times a second: writes what waited for an event clock that no longer moves."""
        if self._last_trade and time.monotonic() - self._last_trade > IDLE_S:
            self._last_trade = 0.0
            self._take_built(None)
        self.minute_bars.idle()

    def drain(self) -> None:
        """Writes everything that is held back; at shutdown."""
        self._take_built(None)
        self.minute_bars.release_all()

    # --- storing and watching

    def store(self, bars: list[Bar], write: bool = True) -> list[Taken]:
        """Accepts bars, queues them for Redis if `write`, and lets the detector look at the seconds among them."""
        if not bars:
            return []
        now = self._now_ms()
        day = self.tape.day
        began = perf_counter()
        batches = self.tape.take(bars, now)
        self._meet_symbols()
        self.stages.tape.since(began)
        if self.tape.day is not day:
            self._begin_day()
        for taken in batches:
            if not taken.bars:
                continue
            seconds = taken.bars[0].span < MINUTE_MS  # a batch is all seconds or all minutes
            if write:
                self._writer.put(taken.bars, taken.newest)
                if seconds:
                    self.minute_bars.make_way(taken)
            self._resumed(self.halts.trade(taken.bars), "it trades, so its halt is over")
            self.counts.bars += len(taken.bars)
            self.counts.bar_end_ms = int(taken.t.max()) + taken.bars[-1].span
            if seconds:
                self._watch(taken)
        return batches

    def _meet_symbols(self) -> None:
        """Numbers new symbols in the detector as the tape does, with their previous close if it is known."""
        for idx in range(self._met, len(self.tape.symbols)):
            symbol = self.tape.symbols[idx]
            self.detector.index(symbol)
            if symbol in self._previous:
                self.tape.previous_close[idx] = self._previous[symbol]
                self.detector.set_previous_close(idx, self._previous[symbol])
        self._met = len(self.tape.symbols)

    def _begin_day(self) -> None:
        """Until the day's previous closes are fetched, the last prices of the day before stand for them."""
        self._previous = {}
        for idx, close in enumerate(self.tape.previous_close[: self._met].tolist()):
            if close == close:
                self.detector.set_previous_close(idx, close)
        assert self.tape.day is not None
        self._resumed(self.halts.begin_day(self.tape.day.start), "its halt ends with its day")
        self._on_day(self.tape.day)

    def _watch(self, taken: Taken) -> None:
        began = perf_counter()
        priced = taken.close == taken.close
        if not priced.all():
            found = self.detector.update(taken.idx[priced], taken.t[priced], taken.close[priced] / SCALE)
        else:
            found = self.detector.update(taken.idx, taken.t, taken.close / SCALE)
        self.stages.velocity.since(began)
        for spike in found.spikes:
            if self.tape.is_test[spike.idx]:
                continue
            self.counts.spikes += 1
            self._on_alert(self._alert(spike), self.number)

    def _alert(self, spike: Spike) -> Alert:
        symbol = self.tape.symbols[spike.idx]
        direction = "up" if spike.velocity > 0 else "down"
        size = abs(spike.velocity)
        window = self._velocity.window_s
        return Alert(
            id=alert_id(VELOCITY_RULE, symbol, spike.t, direction),
            t=spike.t,
            symbol=symbol,
            rule=VELOCITY_RULE,
            severity="critical" if size >= CRITICAL * self._velocity.threshold else "warning",
            direction=direction,
            magnitude=round(size, 4),
            message=f"{symbol} {direction} {size:.2f} % in {window} s, {text(spike.reference)} to {text(spike.close)}",
            price=spike.close,
        )

    def _halt(self, halt: Halt) -> None:
        if halt.halted:
            for symbol in self.halts.halt(halt.sym, halt.t):
                log.info("%s: trading halted", symbol)
        else:
            self._resumed(self.halts.resume(halt.sym, halt.t), "trading resumed")

    @staticmethod
    def _resumed(symbols: list[str], why: str) -> None:
        for symbol in symbols:
            log.info("%s: %s", symbol, why)

    def set_previous_closes(self, day: TradingDay, closes: dict[str, float]) -> None:
        """The previous closes of `day` in real prices, also of symbols that have not traded yet. Ignored for another day."""
        if day != self.tape.day:
            return
        self._previous = closes
        for symbol, close in closes.items():
            idx = self.tape.index.get(symbol)
            if idx is not None and idx < self._met:
                self.tape.previous_close[idx] = close
                self.detector.set_previous_close(idx, close)
