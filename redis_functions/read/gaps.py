"""Gaps of the feed: the log ``gaps:{feed}`` folded into the state that each gap is in now."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from redis_functions.contract import keys

#: Entries of the log that are looked at, the newest.
MAX_ENTRIES = 20_000
#: Entries in one reply.
PAGE = 1_000

EVERY_SYMBOL = "*"
OPEN, REPAIRED, UNREPAIRABLE = "open", "repaired", "unrepairable"


class Gap(NamedTuple):
    """`symbols`: their names, or EVERY_SYMBOL alone. `start`, `end`: event time, epoch ms, None where not known yet.

    `id` is the same in all entries of a gap; `logged` is when the entry was written, epoch ms of the wall clock. A gap
    whose repair has ended has the number of bars written and, as JSON, which alerts would have fired:
    ``[{"symbol","t","direction","magnitude"}]``.
    """

    symbols: tuple[str, ...]
    start: int | None
    end: int | None
    reason: str
    state: str
    id: str = ""
    logged: int = 0
    repaired_bars: int = 0
    spikes: str = "[]"

    def concerns(self, symbol: str) -> bool:
        return symbol in self.symbols or EVERY_SYMBOL in self.symbols


def read_gaps(client: Redis, feed: str) -> list[Gap]:
    """Every gap in its newest state, ascending by start."""
    entries: Any = client.xrevrange(keys.gaps(feed), count=MAX_ENTRIES)
    return in_order(fold(reversed(entries)).values())


async def follow_gaps(
    client: AsyncRedis, feed: str, known: dict[str, Gap], after: str = "-"
) -> tuple[dict[str, Gap], str]:
    """(gaps by their id in their newest state, id to continue after): the log after `after`, applied to what was `known`.

    Raises redis.RedisError.
    """
    gaps = dict(known)
    while True:
        entries: Any = await client.xrange(keys.gaps(feed), after, "+", count=PAGE)
        if not entries:
            return gaps, after
        gaps = fold(entries, gaps)
        after = f"({entries[-1][0].decode()}"


def fold(entries: Iterable[tuple[bytes, dict[bytes, bytes]]], known: dict[str, Gap] | None = None) -> dict[str, Gap]:
    """Gaps by their id after `entries` of the log (ascending), over what was `known` before; the newest entry wins."""
    gaps = dict(known or {})
    for entry, fields in entries:
        gap = _gap(entry, fields)
        gaps[gap.id] = gap
    return gaps


def in_order(gaps: Iterable[Gap]) -> list[Gap]:
    """Ascending by start, those with an unknown one first."""
    return sorted(gaps, key=lambda gap: (gap.start or 0, gap.end or 0))


def _gap(entry: bytes, fields: dict[bytes, bytes]) -> Gap:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return Gap(
        tuple(s for s in text(b"symbols").split(",") if s) or (EVERY_SYMBOL,),
        _whole(text(b"from")),
        _whole(text(b"to")),
        text(b"reason"),
        text(b"state"),
        text(b"gap"),
        int(entry.partition(b"-")[0]),
        _whole(text(b"repaired_bars")) or 0,
        text(b"spikes") or "[]",
    )


def _whole(text: str) -> int | None:
    return int(text) if text.isdecimal() else None
