"""Each user can do its job on a real Redis, and nothing else; what Redis denied is read from its own log."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from redis import Redis
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError

from ingest.previous_close import previous_closes
from ingest.repair.rollup import write_minutes
from market.bar import Bar
from market.sessions import day_of
from market.timeframes import parse
from redis_functions.contract import access, keys
from redis_functions.contract.access import USERS
from redis_functions.contract.alerts import Alert
from redis_functions.contract.schema import FIELDS, Schema
from redis_functions.lua import calls, loader
from redis_functions.read import process_metrics
from redis_functions.read.alerts import AlertLog
from redis_functions.read.gaps import read_gaps
from redis_functions.read.market import count_symbols, read_halted, read_movers, read_previous_closes, read_symbols
from redis_functions.read.reader import read_candles, read_closes
from redis_functions.read.statistics import read_newest_stats, read_stats
from redis_functions.server.connection import connect, connect_async
from redis_functions.write import checkpoint
from redis_functions.write.late_prints import MERGED, merge_late_print, merge_late_print_args
from redis_functions.write.lease import Lease
from redis_functions.write.report import write_report
from redis_functions.write.writer import Writer
from tests.support import write_bars

PASSWORD = "p@ss/word:of?mine"
T = 1_760_103_000_000
BARS = [Bar("AAPL", T + s * 1000, 100_0000, 101_0000, 99_0000, 100_5000, 10, 1_000_0000) for s in range(120)]
ALERT = Alert("velocity:AAPL:1:up", T, "AAPL", "velocity", "warning", "up", 0.8, "up", 100.5)


@pytest.fixture(autouse=True)
def users(redis: Redis) -> Iterator[None]:
    for user in USERS.values():
        access.apply(redis, user, PASSWORD)
    redis.acl_log_reset()
    yield
    redis.acl_deluser(*USERS)


@pytest.fixture
def store(redis: Redis) -> Redis:
    """A store as ingest leaves it."""
    loader.ensure(redis)
    write_bars(redis, BARS)
    redis.set(keys.latest("AAPL"), '{"sym":"AAPL","t":1,"o":1.0,"h":1.0,"l":1.0,"c":1.0,"v":1,"vw":1.0}')
    redis.set(
        keys.MOVERS, '{"t":1,"change":[{"symbol":"AAPL","last":1.0,"velocity":null,"change":1,"volume":1,"t":1}]}'
    )
    redis.hset(keys.previous_close(day_of(T).date), "AAPL", "99.5")
    redis.execute_command("TS.ADD", keys.stat("symbols"), T, 1)
    redis.execute_command(*checkpoint.write_gap_args("stocks", 1, {"gap": "g", "state": "open", "from": "1", "to": ""}))
    redis.set(keys.metrics("ingest"), "")
    redis.set("hidden", "x")
    redis.execute_command("TS.ADD", "hidden:series", T, 1, "LABELS", "symbol", "AAPL")
    calls.raise_alert_sync(redis, ALERT, 0)
    return redis


def as_user(url: str, name: str) -> Redis:
    return connect(access.url_for(url, name, PASSWORD))


def denied(redis: Redis) -> list[tuple[str, str]]:
    """(user, what was denied) since the users were made. What client libraries try at every connection is no harm."""
    return [(entry["username"], entry["object"]) for entry in redis.acl_log()]


def test_the_url_takes_any_password() -> None:
    assert access.url_for("unix:///d/redis.sock", "a", "p@/:?#") == "unix://a:p%40%2F%3A%3F%23@/d/redis.sock"
    assert access.url_for("rediss://old:pw@host:6380/0", "a", "b") == "rediss://a:b@host:6380/0"


def test_ingest_writes_what_ingest_writes(redis: Redis, redis_url: str) -> None:
    loader.ensure(redis)  # the administrator's
    url = access.url_for(redis_url, "ingest", PASSWORD)

    async def work() -> None:
        writer = Writer(url, Schema())
        task = asyncio.create_task(writer.run())
        writer.put(BARS, [True] * len(BARS))
        for field in FIELDS:
            writer.put_command("TS.DEL", keys.series("AAPL", "1s", field), T + 1, T + 1)
        await writer.flushed()
        task.cancel()
        async with connect_async(url) as client:
            await loader.ensure_async(client)
            lease = Lease(client, "stocks", "me")
            token = await lease.wait()
            assert (await checkpoint.set_watermark(client, "stocks", token, 7, last=None)).outcome == checkpoint.SET
            assert await checkpoint.read_watermark(client, "stocks") == 7
            gap = {"gap": "g", "state": "open", "symbols": "*", "from": "1", "to": ""}
            assert await checkpoint.write_gap(client, "stocks", token, gap) == checkpoint.WRITTEN
            assert await calls.raise_alerts(client, [ALERT], 0) == [calls.RAISED]
            assert await merge_late_print(client, merge_late_print_args("AAPL", T, 1, 1, 1, 1)) == MERGED
            assert await client.smembers(keys.SYMBOLS) == {b"AAPL"}
            assert await client.get(keys.latest("AAPL"))
            assert await client.info("memory")
            await previous_closes(client, day_of(T + 86_400_000), ["AAPL"], None)
            assert await write_report(client, T, {}, b"{}", {"AAPL": T}, ["MSFT"]) == {}
            assert await write_report(client, T, {}, b"{}", {}, None) == {}
            await client.set(keys.metrics("ingest"), "", ex=15)
            await client.delete(keys.metrics("ingest"))
            await client.execute_command(
                "TS.ADD", keys.stat("symbols"), T, 1, "RETENTION", 1000, "ON_DUPLICATE", "LAST"
            )
            minute = Bar("AAPL", T - 10**8 - (T - 10**8) % 60_000, 1, 1, 1, 1, 1, 1, 60_000)
            assert await write_minutes(client, "AAPL", [minute], Schema()) == 1
            await client.hset(keys.gap_progress("stocks", "g"), mapping={"AAPL": "{}"})
            await client.expire(keys.gap_progress("stocks", "g"), 60)
            assert await client.hgetall(keys.gap_progress("stocks", "g"))
            await client.delete(keys.gap_progress("stocks", "g"))
            assert await client.xrange(keys.gaps("stocks"))
            assert [key async for key in client.scan_iter(match=keys.watchlist("*"))] == []
            assert await client.smembers(keys.watchlist("mine")) == set()
            assert await client.hmget(keys.ALERTS_FIRED, ["velocity|AAPL|up"]) == [str(T).encode()]
            await lease.release()

    asyncio.run(work())
    assert denied(redis) == []
    assert len(redis.execute_command("TS.RANGE", keys.series("AAPL", "1s", "close"), "-", "+")) == len(BARS)
    assert redis.hgetall(keys.previous_close(day_of(T + 86_400_000).date))


def test_the_bridge_reads_what_the_bridge_reads(store: Redis, redis_url: str) -> None:
    with as_user(redis_url, "bridge") as client:
        for timeframe in ("1s", "5s", "1m", "1h", "1d"):
            [candles] = read_candles(client, ["AAPL"], parse(timeframe), T - 86_400_000, T + 10**7, 100)
            assert len(candles), timeframe
        assert len(read_closes(client, ["AAPL"], T, T + 10**7, 100)[0].t)
        assert read_symbols(client) == ["AAPL"]
        assert count_symbols(client) == 1
        assert read_movers(client)["t"] == 1
        assert read_halted(client, ["AAPL"]) == set()
        assert read_previous_closes(client, [day_of(T).date], ["AAPL"]) == [{"AAPL": 99.5}]
        assert [alert.id for alert in AlertLog(client).read()] == [ALERT.id]
        assert len(read_gaps(client, "stocks")) == 1
        assert read_newest_stats(client)[0] == T
        assert len(read_stats(client, ["symbols"], 0, T, 10)[0])
        assert process_metrics.alive(client, "ingest")
        process_metrics.render(client)
        assert client.get(keys.latest("AAPL"))
        listener = client.pubsub()
        listener.subscribe(keys.CHANNEL_BARS, keys.channel_bars("AAPL"), keys.CHANNEL_ALERTS)
        assert listener.get_message(timeout=5)
        listener.close()
    assert denied(store) == []


def test_the_bridge_writes_watchlists(store: Redis, redis_url: str) -> None:
    members, settings = keys.watchlist("mine"), keys.watchlist_settings("mine")
    with as_user(redis_url, "bridge") as client:
        pipe: Any = client.pipeline(transaction=True)
        pipe.delete(members, settings)
        pipe.sadd(members, "AAPL", "MSFT")
        pipe.hset(settings, "email", "me@example.org")
        pipe.execute()
        client.srem(members, "MSFT")
        assert client.smembers(members) == {b"AAPL"}
        assert client.hgetall(settings) == {b"email": b"me@example.org"}
        client.hdel(settings, "email")
    assert denied(store) == []


def test_alerts_does_its_work(store: Redis, redis_url: str) -> None:
    own = keys.ALERTS_OWN.replace("*", "receipts")
    url = access.url_for(redis_url, "alerts", PASSWORD)
    later = Alert("r:AAPL:2:", T + 10**6, "AAPL", "r", "info", None, 1.0, "m", 1.0)

    async def work() -> None:
        async with connect_async(url) as client:
            await loader.ensure_async(client)
            assert await calls.raise_alerts(client, [later], 0) == [calls.RAISED]

    asyncio.run(work())
    with as_user(redis_url, "alerts") as client:
        assert client.execute_command("TS.RANGE", keys.series("AAPL", "1m", "close"), "-", "+", "LATEST")
        assert client.xrange(keys.ALERTS)
        client.hset(own, "id", "delivered")
        assert client.hgetall(own) == {b"id": b"delivered"}
        client.set(keys.metrics("alerts"), "", ex=15)
        assert client.smembers(keys.SYMBOLS)
        assert client.get(keys.latest("AAPL"))
        assert client.smembers(keys.watchlist("mine")) == set()
        listener = client.pubsub()
        listener.psubscribe(keys.channel_bars("*"))
        assert listener.get_message(timeout=5)
        listener.close()
    assert denied(store) == []


def test_grafana_reads_series_movers_and_last_bars(store: Redis, redis_url: str) -> None:
    with as_user(redis_url, "grafana") as client:
        assert len(calls.candles(client, "AAPL", "1m")) == 2
        assert calls.movers_top(client, "change", 1)[0][0] == "AAPL"
        assert calls.last_bar(client, "AAPL")["sym"] == "AAPL"
        assert client.execute_command("TS.GET", keys.stat("symbols")) == [T, b"1"]
        assert client.get(keys.MOVERS)
        assert client.info("server")
        assert client.command_count()
    assert denied(store) == []


#: Denied to every user: commands that see or change the whole store, and foreign keys.
DENIED_TO_ALL: list[tuple[Any, ...]] = [
    ("FLUSHALL",), ("FLUSHDB",), ("KEYS", "*"), ("RANDOMKEY",), ("CONFIG", "SET", "maxmemory", 1),
    ("CONFIG", "GET", "*"), ("SHUTDOWN", "NOSAVE"), ("ACL", "LIST"),
    ("ACL", "SETUSER", "mallory", "on"), ("FUNCTION", "FLUSH"), ("FUNCTION", "DELETE", "tapewatch"), ("MONITOR",),
    ("CLIENT", "KILL", "TYPE", "normal"), ("CLIENT", "PAUSE", 1), ("REPLICAOF", "NO", "ONE"), ("BGSAVE",),
    ("EVAL", "return 1", 0), ("TS.MRANGE", "-", "+", "FILTER", "symbol=AAPL"), ("TS.MGET", "FILTER", "symbol=AAPL"),
    ("TS.QUERYINDEX", "symbol=AAPL"), ("GET", "hidden"), ("SET", "hidden", 1), ("DEL", "hidden"),
    ("TS.RANGE", "hidden:series", "-", "+"), ("TS.ADD", "hidden:series", "*", 1), ("TS.CREATE", "elsewhere"),
    ("RENAME", keys.MOVERS, "elsewhere"), ("COPY", keys.MOVERS, "elsewhere"), ("SUBSCRIBE", "secrets"),
    ("PUBLISH", "secrets", "x"), ("OBJECT", "ENCODING", "hidden"), ("MODULE", "LIST"), ("SAVE",),
    ("DEL", keys.series("AAPL", "1s", "close")), ("SET", keys.series("AAPL", "1s", "close"), 1),
    ("DEL", keys.SYMBOLS), ("DEL", keys.latest("AAPL")),
    ("TS.ALTER", keys.series("AAPL", "1s", "close"), "RETENTION", 1),
]  # fmt: skip

SERIES = keys.series("AAPL", "1s", "close")
#: What is another's work.
NOT_MINE: dict[str, list[tuple[Any, ...]]] = {
    "ingest": [
        ("SADD", keys.watchlist("mine"), "A"), ("HSET", keys.watchlist_settings("mine"), "email", "x"),
        ("SET", keys.metrics("bridge"), 1), ("SET", keys.SYMBOLS, 1), ("SUBSCRIBE", keys.CHANNEL_BARS),
    ],
    "alerts": [
        ("SCAN", 0), ("BGREWRITEAOF",),
        ("TS.ADD", SERIES, "*", 1), ("TS.MADD", SERIES, "*", 1), ("TS.DEL", SERIES, 0, 1), ("SET", keys.MOVERS, 1),
        ("SADD", keys.watchlist("mine"), "A"), ("PUBLISH", keys.CHANNEL_BARS, "x"), ("SADD", keys.SYMBOLS, "X"),
        ("GET", keys.lease("stocks")), ("SET", keys.watermark("stocks"), 1), ("XADD", keys.gaps("stocks"), "*", "a", "b"),
        ("SET", keys.metrics("ingest"), 1),
    ],
    "bridge": [
        ("SCAN", 0),
        ("TS.ADD", SERIES, "*", 1), ("TS.MADD", SERIES, "*", 1), ("TS.DEL", SERIES, 0, 1), ("SET", keys.MOVERS, 1),
        ("XADD", keys.ALERTS, "*", "a", "b"), ("XADD", keys.gaps("stocks"), "*", "a", "b"), ("DEL", keys.ALERTS),
        ("SET", keys.latest("AAPL"), 1), ("SADD", keys.SYMBOLS, "X"), ("PUBLISH", keys.CHANNEL_ALERTS, "x"),
        ("SET", keys.lease("stocks"), 1), ("SET", keys.metrics("bridge"), 1),
        ("HSET", keys.previous_close(day_of(T).date), "AAPL", 1), ("FUNCTION", "LOAD", "REPLACE", "x"),
        ("TS.CREATERULE", SERIES, "elsewhere", "AGGREGATION", "sum", 1),
        ("FCALL", "raise_alert", 2, keys.ALERTS, keys.ALERTS_FIRED), ("FCALL", "lease_renew", 1, keys.lease("stocks")),
    ],
    "grafana": [
        ("SCAN", 0),
        ("TS.ADD", SERIES, "*", 1), ("SET", keys.MOVERS, 1), ("GET", keys.lease("stocks")), ("SMEMBERS", keys.SYMBOLS),
        ("XRANGE", keys.ALERTS, "-", "+"), ("XRANGE", keys.gaps("stocks"), "-", "+"),
        ("SMEMBERS", keys.watchlist("mine")), ("HGETALL", keys.watchlist_settings("mine")),
        ("FCALL_RO", "last_bar", 1, "hidden"), ("FCALL", "raise_alert", 2, keys.ALERTS, keys.ALERTS_FIRED),
        ("FUNCTION", "LOAD", "REPLACE", "x"), ("PUBLISH", keys.CHANNEL_BARS, "x"), ("SUBSCRIBE", keys.CHANNEL_BARS),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", USERS)
def test_what_is_not_its_work_is_denied(store: Redis, redis_url: str, name: str) -> None:
    before = snapshot(store)
    with as_user(redis_url, name) as client:
        assert [words for words in DENIED_TO_ALL + NOT_MINE[name] if not is_denied(client, words)] == []
    assert snapshot(store) == before


def is_denied(client: Redis, words: tuple[Any, ...]) -> bool:
    try:
        client.execute_command(*words)
    except NoPermissionError:
        return True
    except ResponseError:
        return False
    return False


def test_a_function_is_no_way_round(store: Redis, redis_url: str) -> None:
    """The keys of a call are checked, and what it does to others inside."""
    store.function_load(
        "#!lua name=sly\nredis.register_function{function_name='peek', flags={'no-writes'}, "
        "callback=function() return redis.call('GET', 'hidden') end}\n"
        "redis.register_function('poke', function() return redis.call('SET', 'hidden', 'y') end)"
    )
    for name in ("ingest", "alerts", "grafana"):
        with as_user(redis_url, name) as client, pytest.raises(ResponseError, match=r"ACL failure|permission"):
            client.execute_command("FCALL_RO", "peek", 0)
    with as_user(redis_url, "ingest") as client, pytest.raises(ResponseError, match=r"ACL failure|permission"):
        client.execute_command("FCALL", "poke", 0)
    assert store.get("hidden") == b"x"


def snapshot(redis: Redis) -> dict[bytes, bytes | None]:
    return {key: redis.dump(key) for key in redis.scan_iter() if not key.startswith(b"hidden:")}


def test_without_its_password_nobody_comes_in(redis: Redis, redis_url: str) -> None:
    with (
        connect(access.url_for(redis_url, "bridge", "wrong")) as client,
        pytest.raises(AuthenticationError),
    ):
        client.ping()


def test_applied_again_it_is_the_same_and_takes_back_what_was_added(redis: Redis, redis_url: str) -> None:
    before = redis.acl_list()
    redis.execute_command("ACL", "SETUSER", "bridge", "+@all", "~*", "&*", "(+@all ~*)")
    for user in USERS.values():
        access.apply(redis, user, None)
    assert redis.acl_list() == before
    with as_user(redis_url, "bridge") as client:
        assert client.ping()
    access.apply(redis, USERS["bridge"], "another password")
    with as_user(redis_url, "bridge") as client, pytest.raises(AuthenticationError):
        client.ping()


def test_no_password_is_ever_sent_to_redis(redis: Redis) -> None:
    redis.config_set("slowlog-log-slower-than", 0)
    try:
        redis.slowlog_reset()
        access.apply(redis, USERS["bridge"], PASSWORD)
        assert PASSWORD not in repr(redis.slowlog_get(100))
    finally:
        redis.config_set("slowlog-log-slower-than", 10_000)
    assert PASSWORD not in repr(redis.acl_list())


def test_users_outlive_the_embedded_server(redis: Redis) -> None:
    assert access.save(redis)
    saved = (embedded_folder(redis) / "users.acl").read_text()
    assert all(f"user {name} on" in saved for name in USERS)


def embedded_folder(redis: Redis) -> Path:
    return Path(redis.config_get("dir")["dir"])


def test_what_is_shown_can_be_put_into_an_aclfile(redis: Redis) -> None:
    file = embedded_folder(redis) / "users.acl"
    access.save(redis)
    before = {line for line in redis.acl_list() if not line.startswith("user default")}
    file.write_text("".join(f"{line}\n" for line in access.described(USERS.values()).splitlines() if line[0] != "#"))
    redis.execute_command("ACL", "LOAD")
    after = redis.acl_list()
    assert {re.sub(r"#\w+ ", "", line) for line in before} <= set(after)
