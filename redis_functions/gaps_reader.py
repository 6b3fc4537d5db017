"""Gaps of the feed: the log ``gaps:{feed}`` folded into the state that each gap is in now."""

from __future__ import annotations

from typing import Any, NamedTuple

from redis import Redis

from redis_functions import keys

#: Entries of the log that are looked at, the newest.
MAX_ENTRIES = 20_000

EVERY_SYMBOL = "*"
OPEN, REPAIRED, UNREPAIRABLE = "open", "repaired", "unrepairable"


class Gap(NamedTuple):
    """`symbols`: their names, or EVERY_SYMBOL alone. `start`, `end`: event time, epoch ms, None where not known yet."""

    symbols: tuple[str, ...]
    start: int | None
    end: int | None
    reason: str
    state: str

    def concerns(self, symbol: str) -> bool:
        return symbol in self.symbols or EVERY_SYMBOL in self.symbols


def read_gaps(client: Redis, feed: str) -> list[Gap]:
    """Every gap in its newest state, ascending by start."""
    entries: Any = client.xrevrange(keys.gaps(feed), count=MAX_ENTRIES)
    found: dict[bytes, Gap] = {}
    for _, fields in entries:
        found.setdefault(fields.get(b"gap", b""), _gap(fields))
    return sorted(found.values(), key=lambda gap: (gap.start or 0, gap.end or 0))


def _gap(fields: dict[bytes, bytes]) -> Gap:
    def text(name: bytes) -> str:
        return fields.get(name, b"").decode(errors="replace")

    return Gap(
        tuple(s for s in text(b"symbols").split(",") if s) or (EVERY_SYMBOL,),
        int(text(b"from")) if text(b"from") else None,
        int(text(b"to")) if text(b"to") else None,
        text(b"reason"),
        text(b"state"),
    )
