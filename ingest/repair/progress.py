"""How far the repair of a gap has come, kept in Redis so that a restarted daemon goes on where it was."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import orjson
from redis.asyncio import Redis

from ingest.repair.missed_spikes import Missed
from redis_functions.write.gap_progress import forget_progress, keep_progress, read_progress


@dataclass
class Outcome:
    """What became of one symbol: bars written, spikes that would have fired; `lost`: a part is too old to be kept at all;
    `whole`: nothing is left to do."""

    bars: int = 0
    spikes: list[Missed] = field(default_factory=list)
    lost: bool = False
    whole: bool = False


class Progress:
    """The symbols of one gap that were started, with their results."""

    def __init__(self, client: Redis, feed: str, gap_id: str) -> None:
        self._client = client
        self.feed, self.gap = feed, gap_id
        self._begun: dict[str, Outcome] = {}

    async def read(self) -> None:
        """What an earlier attempt, or an earlier process, has done."""
        for symbol, text in (await read_progress(self._client, self.feed, self.gap)).items():
            bars, spikes, lost, whole = orjson.loads(text)
            self._begun[symbol] = Outcome(bars, [Missed(*spike) for spike in spikes], lost, whole)

    def outcome(self, symbol: str) -> Outcome:
        """Of `symbol`, to be added to and then noted."""
        return self._begun.setdefault(symbol, Outcome())

    def text(self, symbol: str) -> bytes:
        """What became of `symbol` until now, as `read` reads it."""
        one = self._begun[symbol]
        return orjson.dumps([one.bars, [list(spike) for spike in one.spikes], one.lost, one.whole])

    async def forget(self) -> None:
        """The gap is closed: its record has the result."""
        await forget_progress(self._client, self.feed, self.gap)

    @property
    def done(self) -> set[str]:
        return {symbol for symbol, outcome in self._begun.items() if outcome.whole}

    @property
    def bars(self) -> int:
        return sum(outcome.bars for outcome in self._begun.values())

    @property
    def spikes(self) -> list[Missed]:
        """Of all symbols, ascending in time."""
        return sorted((s for outcome in self._begun.values() for s in outcome.spikes), key=lambda s: (s.t, s.symbol))

    @property
    def lost(self) -> bool:
        return any(outcome.lost for outcome in self._begun.values())


async def note(client: Redis, gaps: Iterable[Progress], symbol: str) -> None:
    """Keeps what became of `symbol` in each of the gaps until now, in one go."""
    found = list(gaps)
    if found:
        await keep_progress(client, found[0].feed, symbol, {one.gap: one.text(symbol) for one in found})
