"""The replayer: serves recorded events over the vendor's protocol, each once, to every subscriber."""

from __future__ import annotations

import asyncio
import itertools
import logging
from collections import Counter
from collections.abc import Iterator

from simulator.events import Event
from simulator.protocol import CHANNELS, FRAME_EVENTS, Feed
from simulator.recordings import Piece, Recording, Report, fraction_done, merged

log = logging.getLogger("tapewatch.replay")

#: Pieces read in one go, in a thread, so that a slow disk or a sort never keeps the socket waiting.
_BATCH = 2000
_PROGRESS_S = 5.0
#: After this many events without a delivery the subscribers must have the wrong channels.
_SUSPICIOUS = 1000


class Replayer:
    """Replays the recordings at `speed` times their own pace, 0 as fast as they are read; waits while no client is connected."""

    def __init__(self, recordings: list[Recording], report: Report, speed: float, market: str | None = None) -> None:
        self.recordings = recordings
        self.report = report
        self.speed = speed
        self.feed = Feed(market)
        self.delivered = 0
        self.unasked: Counter[str] = Counter()
        self._warned = False
        self._origin: tuple[float, int] | None = None

    async def replay(self) -> None:
        """Sends everything, from the first subscription on; then logs the counts, and leaves the connections open."""
        await self.feed.begun.wait()
        progress = asyncio.create_task(self._log_progress())
        try:
            await self._send_all(merged(self.recordings))
        finally:
            progress.cancel()
            # The thread that reads would otherwise keep the process until it is through with its file.
            self.report.stop = True
        self._conclude()

    async def _send_all(self, pieces: Iterator[Piece]) -> None:
        waiting: list[Event] = []
        while batch := await asyncio.to_thread(_take, pieces):
            for piece in batch:
                if waiting and (len(waiting) >= FRAME_EVENTS or self._wait(piece.t) > 0):
                    await self._send(waiting)
                    waiting = []
                await self._until(piece.t)
                waiting += piece.events
        if waiting:
            await self._send(waiting)

    def _wait(self, t: int) -> float:
        """Seconds until the event time `t` is due. The first event is due at once."""
        if not self.speed:
            return 0.0
        now = asyncio.get_running_loop().time()
        if self._origin is None:
            self._origin = now, t
        begun, first = self._origin
        return begun + (t - first) / 1000 / self.speed - now

    async def _until(self, t: int) -> None:
        while (wait := self._wait(t)) > 0:
            await asyncio.sleep(wait)

    async def _send(self, events: list[Event]) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        await self.feed.writable()
        if self._origin is not None:
            # While no client was connected, the clock of the recording stood still.
            self._origin = self._origin[0] + loop.time() - before, self._origin[1]
        for event, sent in zip(events, self.feed.publish(events), strict=True):
            if sent:
                self.delivered += 1
            else:
                self.unasked[event.channel] += 1
        if self.unasked.total() >= _SUSPICIOUS:
            self._warn()

    def _warn(self) -> None:
        """Once, when what was recorded is not what anybody subscribed to."""
        recorded = sorted(set(self.unasked) & CHANNELS)
        if self.delivered or self._warned or not recorded:
            return
        self._warned = True
        held = ",".join(sorted(self.feed.last_topics))[:200]
        needed = ",".join(f"{channel}.*" for channel in recorded)
        log.warning(
            "no event is delivered: the recording holds %s, subscribed is %s: subscribe to %s",
            ", ".join(recorded),
            held,
            needed,
        )

    async def _log_progress(self) -> None:
        """Also while nothing can be sent yet, as a file that is not in order of time is read to its end first."""
        while True:
            await asyncio.sleep(_PROGRESS_S)
            log.info("replaying, %.0f %%", 100 * fraction_done(self.recordings), extra={"events": self.delivered})

    def _conclude(self) -> None:
        report = self.report
        self._warn()
        counts = {"events": self.delivered, "unasked": self.unasked.total(), "read": report.read}
        counts |= {"left_out": report.left_out, "unreadable": report.unread}
        log.info("replayed all of it, the socket stays open", extra=counts)
        for line in report.named:
            log.warning("could not be read: %s", line)
        if report.unread > len(report.named):
            log.warning("could not be read: %d more lines", report.unread - len(report.named))


def _take(pieces: Iterator[Piece]) -> list[Piece]:
    return list(itertools.islice(pieces, _BATCH))
