"""Prints that came after their second was let go: merged into what the store holds, each once."""

from __future__ import annotations

from redis.asyncio import Redis as AsyncRedis

from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.lua.calls import Words, call_async

MERGED, KNOWN, MISSING, TOO_LATE = "merged", "known", "missing", "too_late"

#: A print is recognized for so long after it was merged.
REMEMBERED_MS = 3_600_000
_LATENESS_MS = Schema().lateness_ms


def merge_late_print_args(
    symbol: str,
    t: int,
    price_ticks: int | None,
    size: float,
    notional: int,
    key: int | str,
    lateness_ms: int = _LATENESS_MS,
    also: str = "",
) -> Words:
    """The call of lua/merge_late_print.lua: merges one print into the stored second that starts at `t` (epoch ms).

    `price_ticks` may move high and low (None: it may not), `size` and `notional` (ticks) are added; `key` identifies the print
    from others of the symbol; it is remembered as `also`, too. `lateness_ms`: see TOO_LATE.
    """
    series = (keys.series(symbol, "1s", field) for field in FIELDS)
    return (
        "FCALL", "merge_late_print", len(FIELDS) + 1, *series, keys.late(symbol),
        t, "" if price_ticks is None else price_ticks, repr(float(size)), notional, key, lateness_ms, REMEMBERED_MS, also,
    )  # fmt: skip


async def merge_late_print(client: AsyncRedis, words: Words) -> str:
    """Makes a call of `merge_late_print_args`, in one atomic step. Raises redis.RedisError.

    Answers MERGED; KNOWN: it was merged within REMEMBERED_MS; MISSING: the symbol has no
    series; TOO_LATE: further than `lateness_ms` behind the newest sample (Schema.lateness_ms), where a write would harm
    the larger candles. Only MERGED changes anything.
    """
    outcome: bytes = await call_async(client, words)
    return outcome.decode()
