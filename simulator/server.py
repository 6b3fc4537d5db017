"""The simulator: tells the market over the vendor's protocol, history first, then live, with faults on demand."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import dataclass
from pathlib import Path

from simulator.events import Event
from simulator.market import Market, now_s
from simulator.protocol import FRAME_EVENTS, Feed
from simulator.serving import serve_until_stopped
from simulator.teller import CHUNK_S, Teller
from simulator.truth import Truth

log = logging.getLogger("tapewatch.simulate")

#: A second's events are sent this long after its end.
_AFTER_S = 0.005


@dataclass(frozen=True)
class Plan:
    """What a simulator was asked for; `history_s` seconds are told before the live market begins."""

    market: Market
    host: str = "127.0.0.1"
    port: int = 0
    truth: Path | None = None
    history_s: int = 0
    duration_s: float | None = None


class Simulator:
    """One feed of one market."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.teller = Teller(plan.market)
        self.feed = Feed()
        self.truth = Truth(plan.truth)
        self.repeat = 1

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, or for the plan's duration. Raises CannotListen."""
        plan = self.plan
        try:
            await serve_until_stopped(self.feed, plan.host, plan.port, self._say, self._tell(), plan.duration_s)
        finally:
            self.truth.close()

    def _say(self, url: str) -> None:
        market = self.plan.market
        print(
            f"ready: {url} (any key); {market.count} symbols, {market.real_rate:.3g} bars/s, seed {market.seed}",
            flush=True,
        )

    async def _tell(self) -> None:
        await self.feed.begun.wait()
        live = now_s()
        second = live - self.plan.history_s
        while second < live:
            end = min(second - second % CHUNK_S + CHUNK_S, live)
            waiting: list[Event] = []
            for _, events in self.teller.seconds(second, end, self.feed.channels):
                waiting += events
                if len(waiting) >= FRAME_EVENTS:
                    await self.feed.room()
                    self._publish(waiting)
                    waiting = []
            await self.feed.room()
            self._publish(waiting)
            second = end
            # Hours of history take seconds to tell; the clock goes on meanwhile.
            live = now_s()
        log.info("live", extra={"told_s": self.plan.history_s})
        while True:
            await asyncio.sleep(max(0.0, second + 1 + _AFTER_S - time.time()))
            for _, events in self.teller.seconds(second, second + 1, self.feed.channels):
                self._publish(events)
            second += 1

    def _publish(self, events: list[Event]) -> None:
        events = events * self.repeat
        self.truth.write(events, self.feed.publish(events))
