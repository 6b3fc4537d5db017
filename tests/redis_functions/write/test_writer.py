"""The hot write path on real servers: nothing is lost, nothing overtakes, nothing hangs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import MINUTE_MS, Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.write import writer
from redis_functions.write.writer import StoreEmptied, Writer
from tests.own_redis import OwnRedis

T = 1_760_103_000_000


def bar(symbol: str = "AAPL", second: int = 0, close: int = 1_000_000, volume: float = 10) -> Bar:
    return Bar(symbol, T + second * 1000, 1_000_000, max(close, 1_000_000), min(close, 1_000_000), close, volume, 10**7)


@asynccontextmanager
async def writing(url: str, schema: Schema | None = None) -> AsyncIterator[Writer]:
    """A writer at work."""
    made = Writer(url, schema or Schema())
    task = asyncio.create_task(made.run())
    try:
        yield made
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(true: Callable[[], Any], seconds: float = 20.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


def put(made: Writer, bars: Iterable[Bar]) -> None:
    batch = list(bars)
    made.put(batch, [True] * len(batch))


async def write(url: str, bars: Iterable[Bar], schema: Schema | None = None) -> Writer:
    async with writing(url, schema) as made, asyncio.timeout(20):
        put(made, bars)
        await made.flushed()
        return made


def series(redis: Redis, symbol: str, field: str, timeframe: str = "1s") -> dict[int, float]:
    key = keys.series(symbol, timeframe, field)
    latest = ["LATEST"] if timeframe != "1s" else []
    return {int(t): float(v) for t, v in redis.execute_command("TS.RANGE", key, "-", "+", *latest)}


# --- the ordinary course


def test_a_new_symbol_gets_its_series_rules_and_name(redis: Redis, redis_url: str) -> None:
    made = asyncio.run(write(redis_url, [bar(second=0), bar(second=61, close=1_010_000)]))
    assert redis.smembers(keys.SYMBOLS) == {b"AAPL"}
    assert series(redis, "AAPL", "close") == {T: 1_000_000, T + 61_000: 1_010_000}
    for timeframe in ("1m", "5m", "1h"):
        assert sum(series(redis, "AAPL", "volume", timeframe).values()) == 20
    labels = redis.execute_command("TS.INFO", keys.series("AAPL", "1m", "high"))
    assert [b"timeframe", b"1m"] in labels[labels.index(b"labels") + 1]
    assert (made.counts.stored, made.counts.created, made.counts.refused) == (2, 1, 0)


def test_without_labels_there_are_none(redis: Redis, redis_url: str) -> None:
    asyncio.run(write(redis_url, [bar()], Schema(labels=False)))
    info = redis.execute_command("TS.INFO", keys.series("AAPL", "1s", "open"))
    assert info[info.index(b"labels") + 1] == []


def test_only_the_newest_bar_is_the_latest_and_every_bar_is_told(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with writing(redis_url) as made:
            made.put([bar(second=5), bar(second=4), bar("F", 5)], [True, False, True])
            await made.flushed()

    with redis.pubsub() as subscriber:
        subscriber.subscribe("bars", keys.channel_bars("AAPL"))
        for _ in range(2):
            subscriber.get_message(timeout=5)
        asyncio.run(work())
        messages = [subscriber.get_message(timeout=5) for _ in range(3)]
    assert [json.loads(m["data"])["t"] for m in messages if m and m["channel"] != b"bars"] == [T + 5000, T + 4000]
    (batch,) = [json.loads(m["data"]) for m in messages if m and m["channel"] == b"bars"]
    assert [b["sym"] for b in batch] == ["AAPL", "AAPL", "F"]
    latest = json.loads(redis.get(keys.latest("AAPL")) or b"")
    assert latest == {
        "sym": "AAPL",
        "t": T + 5000,
        "o": 100.0,
        "h": 100.0,
        "l": 100.0,
        "c": 100.0,
        "v": 10,
        "vw": 100.0,
    }


def test_a_restated_bar_replaces_and_its_candles_follow(redis: Redis, redis_url: str) -> None:
    asyncio.run(write(redis_url, [bar(second=0, volume=100), bar(second=70), bar(second=0, close=990_000, volume=1)]))
    assert series(redis, "AAPL", "volume")[T] == 1
    assert series(redis, "AAPL", "low", "1m")[T - T % MINUTE_MS] == 990_000
    assert sum(series(redis, "AAPL", "volume", "1h").values()) == 11


def test_volume_without_prices_is_stored_without_prices(redis: Redis, redis_url: str) -> None:
    asyncio.run(write(redis_url, [bar(), bar(second=1)._replace(o=None, h=None, l=None, c=None, v=7)]))
    assert series(redis, "AAPL", "close") == {T: 1_000_000}
    assert series(redis, "AAPL", "volume") == {T: 10, T + 1000: 7}


def test_commands_keep_their_place_among_the_bars(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with writing(redis_url) as made:
            volume = keys.series("AAPL", "1s", "volume")
            put(made, [bar(second=0, volume=1)])
            made.put_command("TS.DEL", volume, T, T)
            put(made, [bar(second=1, volume=2), bar(second=0, volume=3)])
            made.put_command("TS.DEL", volume, T + 1000, T + 1000)
            await made.flushed()

    asyncio.run(work())
    assert series(redis, "AAPL", "volume") == {T: 3}


# --- errors


def test_a_bar_older_than_the_retention_is_refused_alone_and_counted(redis: Redis, redis_url: str) -> None:
    old = bar(second=-8 * 3600)
    made = asyncio.run(write(redis_url, [bar(), old, bar(second=1), old._replace(sym="NEW")]))
    assert (made.counts.refused, made.counts.stored) == (1, 3)
    assert series(redis, "AAPL", "close").keys() == {T, T + 1000}
    assert series(redis, "NEW", "close").keys() == {old.t}


@pytest.mark.parametrize("timeframe", ["1s", "1h"])
@pytest.mark.parametrize("known", [False, True])
def test_a_key_of_another_type_costs_its_own_symbol_only(
    redis: Redis, redis_url: str, timeframe: str, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", (0.0,))
    for field in FIELDS:
        redis.set(keys.series("BAD", timeframe, field), "not a series")

    async def work() -> Writer:
        async with writing(redis_url) as made, asyncio.timeout(20):
            if known:
                made.known.add("BAD")
            for second in range(3):
                put(made, [bar("GOOD", second), bar("BAD", second), bar("FINE", second)])
                await made.flushed()
            return made

    asyncio.run(work())
    assert len(series(redis, "GOOD", "close")) == len(series(redis, "FINE", "close")) == 3


@pytest.mark.parametrize("words", [("TS.DEL", "ts:{F}:1s:close", 1, 1), ("TS.DEL", "text", 1, 1), ("NO.SUCH", "x")])
def test_a_command_that_can_never_work_does_not_hold_up_the_bars(
    redis: Redis, redis_url: str, words: tuple[str | int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", (0.0,))
    redis.set("text", "not a series")

    async def work() -> None:
        async with writing(redis_url) as made, asyncio.timeout(20):
            put(made, [bar("F")])
            made.put_command(*words)
            put(made, [bar()])
            await made.flushed()

    asyncio.run(work())
    assert len(series(redis, "AAPL", "close")) == 1


def test_a_key_of_another_type_in_the_place_of_the_symbols_does_not_hold_up_the_bars(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "RETRY_S", (0.0,))
    redis.set(keys.SYMBOLS, "text")
    asyncio.run(write(redis_url, [bar()]))
    assert len(series(redis, "AAPL", "close")) == 1


def test_a_store_emptied_in_mid_stream_is_told_before_anything_new_is_written(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        made = Writer(redis_url, Schema())
        task = asyncio.create_task(made.run())
        put(made, [bar(name, 0) for name in ("AAPL", "F")])
        await made.flushed()
        redis.flushall()
        put(made, [bar(name, second) for second in (1, 2) for name in ("AAPL", "F")])
        with pytest.raises(StoreEmptied):
            await asyncio.wait_for(task, 10)

    asyncio.run(work())
    assert not redis.exists(keys.series("AAPL", "1s", "close"))
    assert not redis.exists(keys.SYMBOLS)


def test_a_batch_that_is_sent_again_takes_along_what_was_sent_after_it(
    redis: Redis, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer, "BATCH", 2)

    async def work() -> None:
        async with writing(redis_url) as made:
            put(made, [bar("F", close=900_000)])
            await made.flushed()
            made.known.add("LOST")  # its series were never made
            put(made, [bar("LOST"), bar("F", close=900_000), bar("F", close=1_000_007), bar("F", 1)])
            await made.flushed()

    asyncio.run(work())
    assert series(redis, "F", "close")[T] == 1_000_007
    assert series(redis, "LOST", "close").keys() == {T}


# --- a Redis that is unreachable, killed or full


def test_bars_wait_for_a_redis_that_is_not_there_yet() -> None:
    server = OwnRedis()

    async def work() -> None:
        async with writing(server.url) as made:
            put(made, (bar(second=s) for s in range(100)))
            await asyncio.sleep(0)
            assert made.waiting == 100
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                await made.flushed()

    try:
        asyncio.run(work())
        assert len(series(server.client, "AAPL", "close")) == 100
    finally:
        server.__exit__(None, None, None)


def test_a_redis_killed_again_and_again_loses_nothing_and_keeps_the_order() -> None:
    symbols, seconds = [f"S{i}" for i in range(40)], 120

    async def work(server: OwnRedis) -> Writer:
        async with writing(server.url) as made:

            async def feed() -> None:
                for second in range(seconds):
                    # Every second is sent twice: the later one, a correction, must win.
                    put(made, [bar(s, second, close=900_000) for s in symbols])
                    put(made, [bar(s, second, close=1_000_000 + second) for s in symbols])
                    await asyncio.sleep(0.004)

            feeding = asyncio.create_task(feed())
            for stored in (1_000, 4_000, 7_000):
                await until(lambda least=stored: made.counts.stored > least)  # type: ignore[misc]
                await asyncio.to_thread(server.kill)
                await asyncio.to_thread(server.start)
            await feeding
            async with asyncio.timeout(30):
                await made.flushed()
            return made

    with OwnRedis() as server:
        made = asyncio.run(work(server))
        expected = {T + s * 1000: 1_000_000.0 + s for s in range(seconds)}
        for symbol in symbols:
            assert series(server.client, symbol, "close") == expected
            assert sum(series(server.client, symbol, "volume", "1m").values()) == 10 * seconds
        assert made.counts.stored == len(symbols) * seconds * 2


def test_a_full_redis_is_waited_for_and_nothing_is_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "RETRY_S", (0.01,))

    async def work(server: OwnRedis) -> None:
        async with writing(server.url) as made:
            put(made, [bar("OLD")])
            await made.flushed()
            server.client.config_set("maxmemory", 1_000_000)
            put(made, [bar("OLD", s) for s in range(1, 900)] + [bar("NEW", s) for s in range(900)])
            await until(lambda: made.counts.resent > 10 * 900)
            assert made.counts.stored == 1
            server.client.config_set("maxmemory", 0)
            async with asyncio.timeout(20):
                await made.flushed()

    with OwnRedis() as server:
        asyncio.run(work(server))
        for symbol in ("OLD", "NEW"):
            assert series(server.client, symbol, "close").keys() == {T + s * 1000 for s in range(900)}
            assert sum(series(server.client, symbol, "volume", "1h").values()) == 9000
        assert server.client.smembers(keys.SYMBOLS) == {b"OLD", b"NEW"}


def test_a_symbol_that_met_a_full_redis_is_in_the_list_afterwards() -> None:
    async def first(server: OwnRedis) -> None:
        await write(server.url, [bar()])

    async def second(server: OwnRedis) -> None:
        async with writing(server.url) as made:  # as after a restart: the series are there, the name is not
            server.client.delete(keys.SYMBOLS)
            server.client.config_set("maxmemory", 1_000_000)
            put(made, [bar(second=1)])
            await asyncio.sleep(0.2)
            server.client.config_set("maxmemory", 0)
            async with asyncio.timeout(20):
                await made.flushed()

    with OwnRedis() as server:
        asyncio.run(first(server))
        asyncio.run(second(server))
        assert server.client.smembers(keys.SYMBOLS) == {b"AAPL"}


# --- who waits for it


def test_room_makes_the_caller_wait_while_too_much_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "WAITING", 1_000)
    server = OwnRedis()

    async def work() -> None:
        async with writing(server.url) as made:
            put(made, (bar(second=s) for s in range(1_000)))
            await made.has_capacity()
            put(made, [bar(second=1_000)])
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.05):
                    await made.has_capacity()
            await asyncio.to_thread(server.start)
            async with asyncio.timeout(20):
                await made.has_capacity()
                await made.flushed()

    try:
        asyncio.run(work())
    finally:
        server.__exit__(None, None, None)


def test_flushed_means_that_redis_has_it(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with writing(redis_url) as made:
            await made.flushed()  # nothing was put: nothing to wait for
            for second in range(30):
                put(made, [bar(second=second)])
                await made.flushed()
                assert redis.execute_command("TS.GET", keys.series("AAPL", "1s", "notional"))[0] == T + second * 1000
                assert made.waiting == 0

    asyncio.run(work())


# --- the invariant

symbols_and_seconds = st.tuples(st.sampled_from(["A", "B.C", "d"]), st.integers(0, 150), st.integers(1, 10**7))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(symbols_and_seconds, min_size=1, max_size=40), max_size=6))
def test_the_series_are_the_last_upsert_of_every_second(
    redis: Redis, redis_url: str, batches: list[list[tuple[str, int, int]]]
) -> None:
    redis.flushall()
    expected: dict[tuple[str, int], float] = {}

    async def work() -> None:
        async with writing(redis_url) as made, asyncio.timeout(20):
            for batch in batches:
                put(made, [bar(name, second, close) for name, second, close in batch])
                expected.update({(name, T + second * 1000): close for name, second, close in batch})
                await asyncio.sleep(0)
            await made.flushed()

    asyncio.run(work())
    for name in {name for name, _ in expected}:
        mine = {t: close for (symbol, t), close in expected.items() if symbol == name}
        assert series(redis, name, "close") == mine
        assert sum(series(redis, name, "volume", "1h").values()) == 10 * len(mine)
