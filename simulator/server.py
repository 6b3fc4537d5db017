"""The simulator: sends the market over the vendor's protocol, history first, then live, with faults on demand."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from http.server import ThreadingHTTPServer
from pathlib import Path

from simulator import rest
from simulator.event_generator import CHUNK_S, EventGenerator
from simulator.events import Event
from simulator.faults import Fault, Faults
from simulator.market import PERIOD_S, Market, now_s
from simulator.protocol import FRAME_EVENTS, Feed
from simulator.serving import CannotListen, serve_until_stopped
from simulator.truth import Truth

log = logging.getLogger("tapewatch.simulate")

#: A second's events are sent this long after its end.
_AFTER_S = 0.005
#: Live trades go out this often.
_SLICE_S = 0.05


@dataclass(frozen=True)
class Plan:
    """What a simulator was asked for; `history_s` seconds are sent before the live market begins."""

    market: Market
    host: str = "127.0.0.1"
    port: int = 0
    truth: Path | None = None
    history_s: int = 0
    faults: Sequence[Fault] = ()
    rest_port: int | None = None
    duration_s: float | None = None


class Simulator:
    """One feed of one market."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.generator = EventGenerator(plan.market)
        self.feed = Feed(f"simulator-{plan.market.seed}")
        self.truth = Truth(plan.truth)
        #: How often each event is sent, and the events sent last: the faults use them.
        self.repeat = 1
        self.newest: list[Event] = []
        self._next = 0  # the first second that nothing has been computed of yet

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, or for the plan's duration. Raises CannotListen."""
        plan = self.plan
        with contextlib.ExitStack() as cleaning:
            cleaning.callback(self.truth.close)
            if plan.rest_port is not None:
                cleaning.callback(self._serve_rest(plan.rest_port).shutdown)
            await serve_until_stopped(self.feed, plan.host, plan.port, self._announce, self.perform(), plan.duration_s)

    def _serve_rest(self, port: int) -> ThreadingHTTPServer:
        try:
            server = rest.serve(self.plan.market, port)
        except OSError as error:
            raise CannotListen(f"cannot listen on 127.0.0.1:{port}: {error.strerror}") from None
        print(f"the vendor's REST: http://127.0.0.1:{server.server_port}", flush=True)
        return server

    def _announce(self, url: str) -> None:
        market = self.plan.market
        if market.real_rate < 0.99 * market.rate:
            log.warning("%d symbols give at most %d bars a second, not %g", market.count, market.count, market.rate)
        if market.period > PERIOD_S:
            log.warning("at this rate a symbol may be silent for %d s", market.period + 1)
        print(
            f"ready: {url} (any key); {market.count} symbols, {market.real_rate:.3g} bars/s, seed {market.seed}",
            flush=True,
        )

    async def perform(self) -> None:
        """The market and the faults, from the first subscription on; never ends by itself."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send_market())
            group.create_task(Faults(self, self.plan.faults).play())

    def halt(self, seconds: int) -> str:
        """Halts a symbol for so many seconds from the next one on; which one."""
        return self.plan.market.names[self.generator.halt(self._next, seconds).who]

    async def _send_market(self) -> None:
        await self.feed.begun.wait()
        live = now_s()
        second = live - self.plan.history_s
        while second < live:
            self._next = end = min(second - second % CHUNK_S + CHUNK_S, live)
            waiting: list[Event] = []
            for _, events in self.generator.seconds(second, end, self.feed.channels):
                waiting += events
                if len(waiting) >= FRAME_EVENTS:
                    await self.feed.writable()
                    self._publish(waiting)
                    waiting = []
            await self.feed.writable()
            self._publish(waiting)
            second = end
            # Hours of history take seconds to send; the clock goes on meanwhile.
            live = now_s()
        log.info("live", extra={"history_s": self.plan.history_s})
        while True:
            await self._live(second)
            second += 1

    async def _live(self, second: int) -> None:
        """One second as it passes: trades when they happen, everything else after its end."""
        self._next = second + 1
        # In a thread: where thousands of symbols trade, a minute's bars take longer than a socket should wait.
        events = await asyncio.to_thread(self._generated, second, self.feed.channels)
        trades = deque(e for e in events if e.channel == "T" and e.body["t"] >= second * 1000)
        while trades:
            now_ms = (time.time() - _AFTER_S) * 1000
            due = []
            while trades and trades[0].body["t"] <= now_ms:
                due.append(trades.popleft())
            if due:
                self._publish(due)
            if trades:
                await asyncio.sleep(_SLICE_S)
        await asyncio.sleep(max(0.0, second + 1 + _AFTER_S - time.time()))
        self._publish([e for e in events if e.channel != "T" or e.body["t"] < second * 1000])

    def _generated(self, second: int, channels: set[str]) -> list[Event]:
        return [event for _, events in self.generator.seconds(second, second + 1, channels) for event in events]

    def _publish(self, events: list[Event]) -> None:
        self.newest = events or self.newest
        events = events * self.repeat
        self.truth.write(events, self.feed.publish(events))
