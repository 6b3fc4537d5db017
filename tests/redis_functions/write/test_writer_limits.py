"""A feed that brings symbols without end fills no Redis."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.write.writer import Writer
from tests.redis_functions.write.test_writer import T, bar, put, series


def test_symbols_without_end_are_counted_and_named_once(
    redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    async def main() -> Writer:
        made = Writer(redis_url, Schema(), max_symbols=3)
        task = asyncio.create_task(made.run())
        async with asyncio.timeout(20):
            put(made, [bar("A"), bar("B"), bar("C"), bar("D"), bar("E")])
            await made.flushed()
            put(made, [bar("D", second=1), bar("E", second=1)])  # nothing of it is left
            put(made, [bar("A", second=1), bar("D", second=2)])
            await made.flushed()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        return made

    made = asyncio.run(main())
    assert redis.smembers(keys.SYMBOLS) == {b"A", b"B", b"C"}
    assert sorted(series(redis, "A", "close")) == [T, T + 1000]
    assert not redis.exists(keys.series("D", "1s", "close"), keys.latest("D"))
    assert (made.counts.stored, made.counts.refused) == (4, 5)
    assert [r.getMessage() for r in caplog.records if "TAPEWATCH_MAX_SYMBOLS" in r.getMessage()] == [
        "3 symbols are stored, the bars of D and all further ones are not: raise TAPEWATCH_MAX_SYMBOLS if they are real"
    ]
