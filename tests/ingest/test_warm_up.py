"""The warm-up at a start: it restores the state, and only what may be missing is written again."""

from __future__ import annotations

import asyncio
from typing import Any

from redis import Redis

from redis_functions.contract import keys
from tests.ingest.harness import running

T = 1_760_535_000_000


def second(symbol: str, after_s: int, price: float) -> dict[str, Any]:
    """An `A` event that many seconds after the bell."""
    t = T + 1000 * after_s
    return {
        "ev": "A", "sym": symbol, "v": 100, "av": 900, "op": price, "vw": price, "o": price, "c": price, "h": price, "l": price,
        "a": price, "z": 100, "s": t, "e": t + 1000,
    }  # fmt: skip


def test_what_is_surely_stored_is_not_written_again_but_known(redis: Redis, redis_url: str) -> None:
    async def work() -> list[str]:
        async with running(redis_url) as path:
            path.pipeline.begin(replayed_to=2, partial=True, stored_to=1)
            await path.frame(second("OLD", 0, 10.0), second("BOTH", 0, 10.0))
            await path.frame(second("BOTH", 4, 10.0))
            await path.frame(second("BOTH", 5, 11.0))
            await path.settle()
            return [alert.symbol for alert in path.alerts]

    # The reference price of the spike lies in the part that is not written again.
    assert asyncio.run(work()) == ["BOTH"]
    assert not redis.exists(keys.series("OLD", "1s", "close"))
    assert redis.execute_command("TS.RANGE", keys.series("BOTH", "1s", "close"), "-", "+") == [
        [T + 4_000, b"100000"],
        [T + 5_000, b"110000"],
    ]


def test_what_a_clock_behind_rejected_is_rejected_again(redis: Redis, redis_url: str) -> None:
    """The clock is right by now, but the store has no such bars: taken for known, no repair would bring them."""

    async def work() -> int:
        async with running(redis_url) as path:
            path.pipeline.begin(replayed_to=2, partial=True, stored_to=2)
            await path.frame(second("KNOWN", 0, 10.0), received_ms=T + 1_000)
            await path.frame(second("EARLY", 30, 10.0), received_ms=T + 1_000)
            await path.settle()
            assert path.pipeline.tape.symbols == ["KNOWN"]
            return path.pipeline.rejected["future"]

    assert asyncio.run(work()) == 1
