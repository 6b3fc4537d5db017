"""The repair of one symbol's part of a gap: its missing seconds where they may still be written, else its minutes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from redis.asyncio import Redis

from ingest.missed_spikes import missed_spikes
from ingest.pipeline import VelocityConfig
from ingest.repair_progress import Outcome
from ingest.rollup import HOUR_MS, newest_seconds, write_minutes, young_from
from market.bar import MINUTE_MS, SECOND_MS, Bar
from redis_functions import keys
from redis_functions.schema import Schema

#: Asked at once: seconds of two hours, minutes of a day.
SECONDS_CHUNK_MS, MINUTES_CHUNK_MS = 2 * HOUR_MS, 24 * HOUR_MS
#: Bars queued for Redis before they are waited for.
SLICE = 1_000
#: The feed's events of one second do not come at one moment: a gap of seconds is taken so much wider at both ends, ms.
WIDER_MS = 2_000
#: Where seconds are built from trades, those this near to the ends of a gap may have been cut by it, ms.
EDGE_MS = 3_000
_SAME = 1e-9


class GrewOld(Exception):
    """What was young when it was asked for is no more: the next attempt takes it for old."""


class Bars(Protocol):
    """The vendor's REST: see vendor_rest.VendorRest."""

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> list[Bar]: ...


class Live(Protocol):
    """What the repairer needs of the running stream: see backfill.Backfill."""

    @property
    def clock(self) -> int: ...
    @property
    def step_ms(self) -> int: ...
    def newest(self, symbol: str) -> int | None: ...
    def built(self, symbol: str) -> bool: ...
    def missing(self, bars: Sequence[Bar]) -> list[Bar]: ...
    def store(self, bars: Sequence[Bar]) -> None: ...
    async def stored(self) -> None: ...


class SymbolRepair:
    """Repairs one symbol after the other, for the gap from `start` to `end` (epoch ms of event time, both included)."""

    def __init__(self, client: Redis, rest: Bars, live: Live, schema: Schema, rule: VelocityConfig) -> None:
        self._client = client
        self._rest = rest
        self._live = live
        self._schema = schema
        self._rule = rule

    async def repair(self, symbol: str, start: int, end: int, outcome: Outcome) -> None:
        """Adds what was done to `outcome`, also where it ends early: raises the vendor's errors, GrewOld, redis-py's."""
        step = self._live.step_ms
        wider = WIDER_MS if step == SECOND_MS else 0
        first, last = start - start % step - wider, end - end % step + wider
        known = (await newest_seconds(self._client, symbol)).values()
        newest = max((t for t in (*known, self._live.newest(symbol)) if t is not None), default=None)
        young = young_from(newest, self._schema.retention_ms["1s"])
        # The old part first: what rules write late is better not there yet when minutes before it are written.
        if first < young and newest is not None:
            await self._old(symbol, first, min(last, young - 1), newest, outcome)
        if last >= young:
            await self._young(symbol, max(first, young), last, (start, end), outcome)

    async def _old(self, symbol: str, first: int, last: int, newest: int, outcome: Outcome) -> None:
        kept = young_from(newest, self._schema.retention_ms["1m"])
        outcome.lost = first < kept
        begin = max(first, kept) // MINUTE_MS * MINUTE_MS
        while begin <= last:
            stop = min(last, begin - begin % HOUR_MS + MINUTES_CHUNK_MS - 1)
            told = await self._rest.bars(symbol, MINUTE_MS, begin, stop)
            outcome.bars += await write_minutes(self._client, symbol, told, self._schema)
            begin = stop + 1

    async def _young(self, symbol: str, first: int, last: int, gap: tuple[int, int], outcome: Outcome) -> None:
        begin = first
        while begin <= last:
            stop = min(last, begin - begin % HOUR_MS + SECONDS_CHUNK_MS - 1)
            told = await self._rest.bars(symbol, self._live.step_ms, begin, stop)
            stored = await self._stored(symbol, begin, stop) if told else {}
            for at in range(0, len(told), SLICE):
                outcome.bars += self._put(told[at : at + SLICE], stored, gap)
                await self._live.stored()
            # Of all that the vendor tells, not only of what was written: an attempt before may have ended here.
            outcome.spikes += await missed_spikes(self._client, symbol, told, self._rule, outcome.spikes)
            begin = stop + 1

    async def _stored(self, symbol: str, start: int, end: int) -> dict[int, float]:
        """Volumes of the samples that the store holds in the minutes of `start`..`end`, marks of minute bars among them."""
        pipe = self._client.pipeline(transaction=False)
        first, last = start - start % MINUTE_MS, end - end % MINUTE_MS + MINUTE_MS - 1
        pipe.execute_command("TS.RANGE", keys.series(symbol, "1s", "volume"), first, last)
        (rows,) = await pipe.execute(raise_on_error=False)
        if isinstance(rows, Exception) and "key does not exist" not in str(rows):
            raise rows
        return {int(t): float(v) for t, v in rows} if isinstance(rows, list) else {}

    def _put(self, told: Sequence[Bar], stored: Mapping[int, float], gap: tuple[int, int]) -> int:
        """Queues those of the `told` bars that are missing, and tells how many; no live bar comes in between."""
        symbol = told[0].sym
        newest = max(self._live.newest(symbol) or 0, max(stored, default=0)) or None
        if told[0].t < young_from(newest, self._schema.retention_ms["1s"]):
            raise GrewOld("its seconds grew too old meanwhile")
        if self._live.step_ms == MINUTE_MS:
            minutes = {t // MINUTE_MS for t in stored}
            put = self._live.missing([bar for bar in told if bar.t // MINUTE_MS not in minutes])
        else:
            # A minute bar that fills its minute tells of all its seconds.
            told = [bar for bar in told if bar.t - bar.t % MINUTE_MS + keys.MINUTE_MARK_MS not in stored]
            cut = [bar for bar in told if bar.t in stored and self._was_cut(bar, stored[bar.t], gap)]
            new = self._live.missing([bar for bar in told if bar.t not in stored])
            put = sorted(new + cut, key=lambda bar: bar.t)
        self._live.store(put)
        return len(put)

    def _was_cut(self, bar: Bar, volume: float, gap: tuple[int, int]) -> bool:
        """Whether the second in the store was built from a part of its trades, the others being lost in the gap."""
        at_edge = bar.t <= gap[0] + EDGE_MS or bar.t >= gap[1] - EDGE_MS
        return at_edge and self._live.built(bar.sym) and bar.v > volume * (1 + _SAME)
