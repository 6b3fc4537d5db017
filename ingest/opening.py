"""What an engine reads before it begins: the state of the store, open gaps, and the record to begin at."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from redis.asyncio import Redis

from ingest.bars.halts import Halts
from ingest.bars.market_state import MarketState
from ingest.repair.gap_log import Fields
from ingest.spool.log import Spool
from market.bar import SECOND_MS
from market.limits import is_stored_price
from market.price import real
from market.sessions import TradingDay, day_of
from redis_functions.lua import loader
from redis_functions.read.day_volumes import read_day_volumes
from redis_functions.read.gaps import OPEN, Gap, follow_gaps
from redis_functions.read.market import read_all_halted, read_symbols_async
from redis_functions.read.samples import Sample, read_newest
from redis_functions.write.checkpoint import read_watermark

log = logging.getLogger("tapewatch.ingest")

#: Time of arrival before the watermark that is worked on again: longer than a print may be late (60 s), than a velocity
#: reference may be old (35 s) and than anything is held back (5 s).
WARM_UP_MS = 120_000
#: Of those records the last ones are also written again: a Redis that failed may have lost its last second (`everysec`), a
#: cluster of them not the same second everywhere. What is older only warms the state up.
WRITE_AGAIN_MS = 5_000


@dataclass(frozen=True)
class Contents:
    """What a store holds: its symbols, their newest closes, the volumes of `day`, halted symbols with the time of their halt, the
    watermark, and gaps without an end."""

    symbols: list[str]
    newest: dict[str, Sample]
    day: TradingDay | None
    volumes: dict[str, float]
    halted: dict[str, int]
    watermark: int | None
    open_gaps: list[Fields]

    def restore(self, tape: MarketState, halts: Halts) -> None:
        """Enters it as the state of the market."""
        for symbol, t in self.halted.items():
            halts.halt(symbol, t)
        for symbol, (t, close) in self.newest.items():
            tape.restore(symbol, t - t % SECOND_MS, real(close) if is_stored_price(close) else None)
        if self.day is not None:
            tape.restore_volume(self.day, self.volumes)


@dataclass(frozen=True)
class Beginning:
    """`first`: the record to begin with; `watermark`: the last one whose effects are in the store (None: not known of this
    spool); `stored_to`: up to it second bars are in the store for certain; `partial`: earlier records do not come again."""

    first: int
    watermark: int | None
    stored_to: int
    partial: bool
    known: int | None  # the watermark that Redis acknowledged, for the next one to be compared with


async def read_contents(client: Redis, feed: str, spool_id: str) -> Contents:
    """Loads the functions and reads what the store holds. Raises redis.RedisError."""
    await loader.ensure_async(client)
    symbols = await read_symbols_async(client)
    watermark = await read_watermark(client, feed, spool_id)
    gaps, _ = await follow_gaps(client, feed, {})
    newest = await read_newest(client, symbols)
    day = day_of(max(sample.t for sample in newest.values())) if newest else None
    volumes = await read_day_volumes(client, symbols, day) if day else {}
    mine = [gap for gap in gaps.values() if gap.id.startswith(f"{spool_id}:")]
    open_gaps = [_fields(gap) for gap in mine if _is_endless(gap)]
    return Contents(symbols, newest, day, volumes, await read_all_halted(client), watermark, open_gaps)


def _is_endless(gap: Gap) -> bool:
    return gap.state == OPEN and gap.end is None and gap.start is not None


def _fields(gap: Gap) -> Fields:
    return {
        "gap": gap.id, "symbols": ",".join(gap.symbols), "from": str(gap.start), "to": "", "reason": gap.reason, "state": OPEN,
    }  # fmt: skip


def beginning(spool: Spool, watermark: int | None, first_engine: bool) -> Beginning:
    """A little before the watermark; the oldest record when Redis has none (it is new, or was emptied).

    Sets the spool to keep what follows the watermark. `first_engine`: no other engine has used the spool since it was opened.
    """
    first, stored_to, known = spool.first, 0, None
    if first_engine and watermark is not None and watermark >= spool.first_of_run:
        # The disk lost records whose effects are in Redis, and their numbers were reused.
        first = spool.first_of_run
        spool.advance(watermark)
    elif watermark is not None and watermark >= first:
        known = watermark
        reached = next(iter(spool.reader(watermark - 1).read(1)), None)
        if reached is None:  # nothing came after it
            first = watermark + 1
        else:
            first = min(watermark + 1, max(first, spool.find_time(reached.received_ms - WARM_UP_MS)))
            stored_to = min(watermark, spool.find_time(reached.received_ms - WRITE_AGAIN_MS) - 1)
        spool.rewind(watermark)
        spool.acknowledge(watermark)
    else:
        spool.rewind(first - 1)
    if (waiting := spool.last - first + 1) > 0:
        log.info("working on %d spooled records again, from number %d", waiting, first)
    return Beginning(first, watermark, stored_to, watermark is not None and first > 1, known)
