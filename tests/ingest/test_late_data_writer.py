"""Data that is written after reading Redis: late prints, and minute bars of minutes that may have seconds."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from redis import Redis

from ingest import outbox as module
from ingest.bars.late_prints import NamedPrint
from ingest.bars.trade_bars import LatePrint
from ingest.late_data_writer import LateDataLane
from market.bar import MINUTE_MS, Bar
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.lua import loader
from redis_functions.server.connection import connect_async
from redis_functions.write.writer import Writer
from tests.own_redis import OwnRedis
from tests.support import write_bars

T = 1_760_104_800_000
HOUR = 3_600_000


class Harness:
    """A lane of late data at work, with the minute bars that it gave back."""

    def __init__(self, url: str) -> None:
        self.client = connect_async(url)
        self.writer = Writer(url, Schema())
        self.look = LateDataLane(self.client, self.writer, HOUR, self, Availability())
        self.filled: list[Bar] = []

    def fill(self, bars: list[Bar]) -> None:
        self.filled += bars

    def late(self, late: LatePrint, key: str) -> None:
        self.look.put(1, NamedPrint(late, key, ""))


@asynccontextmanager
async def writing(url: str) -> AsyncIterator[Harness]:
    harness = Harness(url)
    tasks = [asyncio.create_task(harness.writer.run()), asyncio.create_task(harness.look.run())]
    try:
        async with asyncio.timeout(20):
            yield harness
            await harness.look.emptied()
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await harness.client.aclose()


def second(t: int, **fields: Any) -> Bar:
    return Bar("F", t, 100, 110, 90, 105, 10, 1000)._replace(**fields)


def minute(t: int, symbol: str = "F") -> Bar:
    return Bar(symbol, t, 100, 110, 90, 105, 60, 6000, MINUTE_MS)


def stored(redis: Redis, t: int) -> list[float | None]:
    rows = [redis.execute_command("TS.RANGE", keys.series("F", "1s", field), t, t) for field in FIELDS]
    return [float(row[0][1]) if row else None for row in rows]


def test_a_late_print_moves_high_low_volume_and_notional_of_its_second(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [second(T), second(T + 100_000)])

    async def work() -> None:
        async with writing(redis_url) as harness:
            harness.late(LatePrint("F", T, 120, 2.5, 300), "1:1")
            harness.late(LatePrint("F", T, None, 1, 100), "1:2")
            harness.late(LatePrint("F", T, 120, 2.5, 300), "1:1")  # repeated by a replay
            assert harness.look.oldest == 1
        assert (harness.look.oldest, harness.look.merged, harness.look.refused) == (None, 2, 1)

    asyncio.run(work())
    assert stored(redis, T) == [100, 120, 90, 105, 13.5, 1400]


def test_a_late_print_of_an_empty_second_gives_it_volume_but_no_open_or_close(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [second(T + 100_000)])

    async def work() -> None:
        async with writing(redis_url) as harness:
            harness.late(LatePrint("F", T, 120, 2, 240), "a")

    asyncio.run(work())
    assert stored(redis, T) == [None, 120, 120, None, 2, 240]


def test_a_print_too_late_for_its_larger_candles_is_refused(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [second(T + 2 * HOUR)])

    async def work() -> None:
        async with writing(redis_url) as harness:
            harness.late(LatePrint("F", T, 120, 2, 240), "a")
        assert (harness.look.merged, harness.look.refused) == (0, 1)

    asyncio.run(work())


def test_what_redis_refuses_does_not_stand_in_the_way(redis: Redis, redis_url: str) -> None:
    redis.set(keys.late("F"), "of another type")
    write_bars(redis, [second(T), second(T)._replace(sym="AAPL")])

    async def work() -> None:
        async with writing(redis_url) as harness:
            harness.late(LatePrint("F", T, 120, 2, 240), "a")
            harness.late(LatePrint("AAPL", T, 120, 2, 240), "b")
        assert (harness.look.merged, harness.look.refused) == (1, 1)

    asyncio.run(work())


def test_a_minute_bar_fills_only_where_redis_holds_no_second(redis: Redis, redis_url: str) -> None:
    write_bars(redis, [second(T + 5_000), second(T + 3 * MINUTE_MS, o=None, h=None, l=None, c=None)])
    redis.set(keys.series("ODD", "1s", "volume"), "no series")
    asked = [minute(T + n * MINUTE_MS) for n in range(4)] + [minute(T, "NEW"), minute(T, "ODD")]

    async def work() -> Harness:
        async with writing(redis_url) as harness:
            for bar in asked:
                harness.look.put(7, bar)
        return harness

    filled = asyncio.run(work()).filled
    assert [(b.sym, b.t) for b in filled] == [
        ("F", T + MINUTE_MS), ("F", T + 2 * MINUTE_MS), ("NEW", T), ("ODD", T),
    ]  # fmt: skip


def test_what_waits_in_the_writer_is_written_before_redis_is_asked(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        harness = Harness(redis_url)
        look = asyncio.create_task(harness.look.run())
        harness.writer.put([second(T)], [True])
        harness.look.put(1, minute(T))
        await asyncio.sleep(0.1)  # the writer has not begun: nothing may be concluded from what Redis holds
        assert harness.look.oldest == 1
        writing = asyncio.create_task(harness.writer.run())
        async with asyncio.timeout(20):
            await harness.look.emptied()
        for task in (look, writing):
            task.cancel()
        await asyncio.gather(look, writing, return_exceptions=True)
        await harness.client.aclose()
        assert harness.filled == []

    asyncio.run(work())


@pytest.mark.parametrize("unready", ["loading", "away"])
def test_a_redis_that_cannot_answer_is_asked_again(unready: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.01)

    async def work(server: OwnRedis) -> Harness:
        async with writing(server.url) as harness:
            if unready == "loading":
                real = harness.client.pipeline
                asked: list[int] = []

                def refusing(**options: Any) -> Any:
                    pipe = real(**options)
                    asked.append(1)
                    if len(asked) < 4:  # as a server answers that has just been started
                        pipe.execute_command("EVAL", "return redis.error_reply('LOADING Redis is loading')", 0)
                        pipe.command_stack = pipe.command_stack[-1:]
                        monkeypatch.setattr(pipe, "execute_command", lambda *words: pipe)
                    return pipe

                monkeypatch.setattr(harness.client, "pipeline", refusing)
            else:
                await asyncio.to_thread(server.kill)
            harness.look.put(1, minute(T))
            await asyncio.sleep(0.05)
            assert harness.filled == []
            if unready == "away":
                await asyncio.to_thread(server.start)
        return harness

    with OwnRedis() as server:
        loader.ensure(server.client)
        write_bars(server.client, [second(T + 5_000)])
        assert asyncio.run(work(server)).filled == []
