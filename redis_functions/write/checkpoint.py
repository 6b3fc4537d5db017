"""What the owner of a feed's lease writes about it, guarded by its fencing token: the watermark of its spool, and gaps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from redis.asyncio import Redis as AsyncRedis

from redis_functions.contract import keys
from redis_functions.lua.calls import Words, call_async

#: Outcomes. FENCED: a later owner of the lease is active, so this process must stop writing about the feed.
SET, BEHIND, FENCED, EMPTIED = "set", "behind", "fenced", "emptied"
WRITTEN, KNOWN = "written", "known"

#: The log of gaps keeps about this many records, and recognizes records of so many gaps.
GAPS_MAXLEN = 10_000
GAPS_REMEMBERED = 4_000


class Watermark(NamedTuple):
    """`outcome`: SET; BEHIND: Redis has a higher number, which stays; FENCED; EMPTIED: Redis has less than it had
    acknowledged (emptied, or set back to an older state), so the spool must be replayed from `number` on.
    `number` is what Redis has now, None for nothing."""

    outcome: str
    number: int | None


def watermark_args(feed: str, token: int, number: int, *, last: int | None, spool: str, forced: bool) -> Words:
    """The call of lua/set_watermark.lua."""
    return (
        "FCALL", "set_watermark", 4,
        keys.watermark(feed), keys.watermark_spools(feed), keys.lease(feed), keys.lease_token(feed),
        token, spool, number, "" if last is None else last, "forced" if forced else "forward",
    )  # fmt: skip


async def set_watermark(
    client: AsyncRedis, feed: str, token: int, number: int, *, last: int | None, spool: str = "", forced: bool = False
) -> Watermark:
    """Records that the effects of the spool's records up to `number` are in Redis; only outcome SET changes anything.

    `last` is the number that Redis acknowledged to this caller last (None: none since it began, or since it was notified
    EMPTIED); by it a loss of data is seen. Each `spool` (an id; two boxes have one each) has a watermark of its own;
    `forced` lets it move backwards. Raises redis.RedisError.
    """
    words = watermark_args(feed, token, number, last=last, spool=spool, forced=forced)
    outcome, stored = await call_async(client, words)
    return Watermark(outcome.decode(), int(stored) if stored else None)


async def read_watermark(client: AsyncRedis, feed: str, spool: str = "") -> int | None:
    """The last record of `spool` whose effects are in Redis; None for none. Raises redis.RedisError."""
    pipe = client.pipeline(transaction=False)
    pipe.exists(keys.watermark(feed))
    pipe.hget(keys.watermark_spools(feed), spool)
    there, number = await pipe.execute()
    return int(number) if there and number is not None else None


def write_gap_args(feed: str, token: int, fields: Mapping[str, str]) -> Words:
    """The call of lua/write_gap.lua."""
    return (
        "FCALL", "write_gap", 4,
        keys.gaps(feed), keys.gaps_known(feed), keys.lease(feed), keys.lease_token(feed),
        token, GAPS_MAXLEN, GAPS_REMEMBERED, *(word for pair in fields.items() for word in pair),
    )  # fmt: skip


async def write_gap(client: AsyncRedis, feed: str, token: int, fields: Mapping[str, str]) -> str:
    """Appends a record to ``gaps:{feed}`` once: WRITTEN; KNOWN when the gap has this state and end already or is past
    them; FENCED.

    `fields` are texts, at most 32: gap (its id), symbols ("*" or a comma list), from, to (epoch ms, "" while not known),
    reason, state (open, unrepairable, repaired), and further fields (spikes, repaired_bars). Raises
    redis.RedisError.
    """
    outcome: bytes = await call_async(client, write_gap_args(feed, token, fields))
    return outcome.decode()
