"""The repair of one symbol in one gap or several near each other: its missing seconds where they may still be written, else its
minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from redis.asyncio import Redis

from ingest.repair.backfill import Backfill
from ingest.repair.missed_spikes import missed_spikes
from ingest.repair.progress import Outcome
from ingest.repair.rollup import HOUR_MS, write_minutes, young_from
from ingest.velocity_rule import VelocityConfig
from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.symbols import is_test_symbol
from redis_functions.contract.codec import minute_mark
from redis_functions.contract.schema import Schema
from redis_functions.read.samples import read_newest_fields, read_seconds
from vendor.interface import AskedBars

#: Asked at once: seconds of two hours (at most 7,200 bars, some 7 MB while they are compared), minutes of a day.
SECONDS_CHUNK_MS, MINUTES_CHUNK_MS = 2 * HOUR_MS, 24 * HOUR_MS
#: Bars queued for Redis before they are waited for.
SLICE = 1_000
#: The events of one second do not arrive at one moment: a gap of seconds is widened by this at both ends, ms.
WIDER_MS = 2_000
#: How far before a gap bars may have been restated during it: the vendor restates for 15 minutes.
LATE_MS = 905_000
#: Where seconds are built from trades, those this near to the ends of a gap may have been cut by it, ms.
EDGE_MS = 3_000
#: How often the store is read again because a bar was restated live meanwhile.
READS = 20
_SAME = 1e-9


class GrewOld(Exception):
    """What was young when it was asked for is no more: the next attempt takes it for old."""


class UnusableRows(Exception):
    """Some of the vendor's rows cannot be right, so what they should have been is missing; a later answer may be better."""


class Bars(Protocol):
    """What is asked of the vendor: see vendor.interface.Rest."""

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> AskedBars: ...


class Part(NamedTuple):
    """A symbol in one gap: event time from `start` to `end` (epoch ms, both included), and what became of it."""

    start: int
    end: int
    outcome: Outcome


class SymbolRepair:
    """Repairs one symbol, whatever gaps it lies in. May be asked for several symbols at once."""

    def __init__(self, client: Redis, rest: Bars, live: Backfill, schema: Schema, rule: VelocityConfig) -> None:
        self._client = client
        self._rest = rest
        self._live = live
        self._schema = schema
        self._rule = rule

    async def repair(self, symbol: str, gaps: Sequence[Part]) -> None:
        """Adds what was done to the outcomes, also where it ends early: raises the vendor's errors, GrewOld, redis-py's; and
        UnusableRows when all else is done."""
        step = self._live.step_ms
        wider = WIDER_MS if step == SECOND_MS else 0
        widened = (
            gap._replace(start=gap.start - gap.start % step - wider, end=gap.end - gap.end % step + wider)
            for gap in gaps
        )
        parts = sorted(widened, key=lambda part: (part.end, part.start))
        known = (await read_newest_fields(self._client, symbol)).values()
        newest = max((t for t in (*known, self._live.newest(symbol)) if t is not None), default=None)
        young = young_from(newest, self._schema.retention_ms["1s"])
        unusable = 0
        # The old part first: what rules write late is better not there yet when minutes before it are written.
        if newest is not None:
            kept = young_from(newest, self._schema.retention_ms["1m"])
            for part in parts:
                if _listened_from(part, step) < young:
                    part.outcome.lost = part.start < kept
                    unusable += await self._old(
                        symbol, part, max(_listened_from(part, step), kept), min(part.end, young - 1)
                    )
        recent = [part for part in parts if part.end >= young]
        if recent:
            unusable += await self._young(
                symbol, recent, max(min(_listened_from(part, step) for part in recent), young)
            )
        if unusable:
            raise UnusableRows(f"{unusable} of the vendor's rows cannot be right")

    async def _old(self, symbol: str, part: Part, begin: int, end: int) -> int:
        """Fills minutes; returns the number of the vendor's rows that cannot be used."""
        begin -= begin % MINUTE_MS
        found = 0
        while begin <= end:
            stop = min(end, begin - begin % HOUR_MS + MINUTES_CHUNK_MS - 1)
            received, unusable = await self._rest.bars(symbol, MINUTE_MS, begin, stop)
            part.outcome.bars += await write_minutes(self._client, symbol, received, self._schema)
            found += unusable
            begin = stop + 1
        return found

    async def _young(self, symbol: str, parts: Sequence[Part], begin: int) -> int:
        """Fills seconds; returns the number of the vendor's rows that cannot be used."""
        found = 0
        step, starts, end = self._live.step_ms, min(part.start for part in parts), parts[-1].end
        first_stored = next(iter(await self._stored(symbol, begin, starts, 1)), starts)
        while begin <= end:
            stop = min(end, begin - begin % HOUR_MS + SECONDS_CHUNK_MS - 1)
            received, unusable = await self._rest.bars(symbol, step, begin, stop)
            found += unusable
            # What was never subscribed is no part of the gap.
            received = [bar for bar in received if bar.t >= min(first_stored - first_stored % step, starts)]
            for at in range(0, len(received), SLICE):
                if await self._fill(symbol, received[at : at + SLICE], parts):
                    await self._live.stored()
            await self._miss(symbol, received, parts)
            begin = stop + 1
        return found

    async def _miss(self, symbol: str, received: Sequence[Bar], parts: Sequence[Part]) -> None:
        """Records the alerts that would have been raised in each gap: from all received bars, not only those written, as an
        earlier attempt may have been interrupted."""
        if is_test_symbol(symbol):
            return
        noted = [spike for part in parts for spike in part.outcome.spikes]
        for part in parts:
            lost = [bar for bar in received if part.start <= bar.t <= part.end]
            found = await missed_spikes(self._client, symbol, lost, self._rule, noted)
            part.outcome.spikes += found
            noted += found

    async def _fill(self, symbol: str, received: Sequence[Bar], parts: Sequence[Part]) -> bool:
        """Queues the `received` bars that are missing or have an earlier version in the store; returns whether any is."""
        for _ in range(READS):
            restated = self._live.restated(symbol)
            await self._live.stored()
            stored = await self._stored(symbol, received[0].t, received[-1].t)
            if self._live.restated(symbol) == restated:
                return self._put(received, stored, parts)
        raise GrewOld("its bars are restated faster than they are read")

    async def _stored(self, symbol: str, start: int, end: int, oldest: int | None = None) -> dict[int, float]:
        """Volumes of the samples that the store holds in the minutes of `start`..`end`, marks of minute bars among them."""
        first, last = start - start % MINUTE_MS, end - end % MINUTE_MS + MINUTE_MS - 1
        return dict(await read_seconds(self._client, symbol, "volume", first, last, oldest))

    def _put(self, received: Sequence[Bar], stored: Mapping[int, float], parts: Sequence[Part]) -> bool:
        """No live bar comes between the look at what there is and the queueing: nothing is awaited here."""
        newest = max(self._live.newest(received[0].sym) or 0, max(stored, default=0)) or None
        if received[0].t < young_from(newest, self._schema.retention_ms["1s"]):
            raise GrewOld("its seconds grew too old meanwhile")
        minutes = {t // MINUTE_MS for t in stored}
        new, corrected = [], []
        for bar in received:
            mark = minute_mark(bar.t)
            held = stored.get(mark if bar.span == MINUTE_MS else bar.t)
            if held is not None:
                if bar.v > held * (1 + _SAME) and self._may_correct(bar, parts):
                    corrected.append(bar)
            elif bar.t // MINUTE_MS not in minutes or (bar.span == SECOND_MS and mark not in stored):
                new.append(bar)  # a minute bar covers all seconds, and a second bar excludes a minute bar
        put = sorted(self._live.missing(new) + corrected, key=lambda bar: bar.t)
        self._live.store(put)
        for bar in put:
            next(part for part in parts if bar.t <= part.end).outcome.bars += 1
        return bool(put)

    def _may_correct(self, bar: Bar, parts: Sequence[Part]) -> bool:
        """Whether a bar in the store may be an earlier version than the vendor's of more volume: one from before a gap, whose
        correction was lost in it, or a second built from those of its trades that came after it."""
        built = self._live.built(bar.sym)
        return any(
            part.start - LATE_MS <= bar.t <= part.start + EDGE_MS or (built and part.end - EDGE_MS <= bar.t <= part.end)
            for part in parts
        )


def _listened_from(part: Part, step: int) -> int:
    """The first time whose bars the vendor may have restated during the gap."""
    return part.start - LATE_MS // step * step
