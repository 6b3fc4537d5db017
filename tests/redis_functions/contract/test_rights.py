"""Exactly the documented rights: some hundred commands tried for each user with ACL DRYRUN, which does nothing.

I ingest, A alerts, B bridge, G grafana: who may.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from redis import Redis

from redis_functions.contract import access
from redis_functions.contract.access import USERS

S, STAT, ALERT = "ts:{AAPL}:1s:close", "ts:stats:symbols", "alert:{AAPL}"
PROBES: list[tuple[str, str]] = [
    # the session
    ("IABG", "PING"), ("IABG", "HELLO 2"), ("IABG", "CLIENT SETNAME x"), ("IABG", "CLIENT ID"), ("", "ECHO x"),
    ("", "CLIENT LIST"), ("", "CLIENT KILL ID 1"), ("", "CLIENT NO-EVICT on"),
    # series
    ("IABG", f"TS.GET {S}"), ("IABG", f"TS.RANGE {S} - +"), ("IABG", f"TS.REVRANGE {S} - +"), ("IABG", f"TS.INFO {S}"),
    ("I", f"TS.ADD {S} 1 1"), ("I", f"TS.MADD {S} 1 1"), ("I", f"TS.CREATE {S}"), ("I", f"TS.DEL {S} 1 2"),
    ("I", f"TS.CREATERULE {S} ts:{{AAPL}}:1m:close AGGREGATION last 60000"), ("", f"TS.DELETERULE {S} x"),
    ("", f"TS.ALTER {S} RETENTION 1"), ("", f"TS.INCRBY {S} 1"), ("", f"DEL {S}"), ("", f"UNLINK {S}"), ("", f"EXPIRE {S} 1"),
    ("IBG", f"TS.GET {STAT}"), ("I", f"TS.ADD {STAT} 1 1"), ("IABG", f"TS.RANGE {ALERT} - +"), ("IA", f"TS.ADD {ALERT} 1 1"),
    ("", "TS.MRANGE - + FILTER symbol=AAPL"), ("", "TS.MGET FILTER symbol=AAPL"), ("", "TS.QUERYINDEX symbol=AAPL"),
    ("", "TS.ADD foreign 1 1"), ("", "TS.GET foreign"),
    # the market
    ("IAB", "SMEMBERS symbols"), ("I", "SADD symbols X"), ("", "SREM symbols X"), ("", "DEL symbols"),
    ("IABG", "GET latest:{AAPL}"), ("I", "SET latest:{AAPL} x"), ("IABG", "GET movers"), ("I", "SET movers x"),
    ("IAB", "HMGET previous_close:{2026-01-02} A"), ("I", "HSET previous_close:{2026-01-02} A 1"),
    # alerts
    ("IAB", "XRANGE alerts - +"), ("IA", "XADD alerts * a b"), ("", "XTRIM alerts MAXLEN 0"), ("IA", "DEL alerts"),
    ("IA", "HSET {alerts}:fired a b"), ("IA", "FCALL raise_alert 2 alerts {alerts}:fired"), ("A", "ZRANGE {alerts}:x 0 1"),
    # feed
    ("IB", "XRANGE gaps:{stocks} - +"), ("I", "XADD gaps:{stocks} * a b"), ("IB", "GET watermark:{stocks}"),
    ("I", "SET watermark:{stocks} 1"), ("IB", "GET lease:{stocks}"), ("I", "SET lease:{stocks} x"),
    ("I", "FCALL merge_late_print 2 ts:{A}:1s:open late:{A}"), ("I", "ZADD late:{A} 1 x"),
    # the stamp
    ("I", "HSETNX store market x"), ("I", "HMGET store market"), ("", "HSET store market x"), ("", "DEL store"),
    ("I", "TYPE anything"),
    # watchlists
    ("IAB", "SMEMBERS watchlist:{mine}"), ("B", "SADD watchlist:{mine} A"), ("B", "DEL watchlist:{mine}"),
    ("IAB", "HGETALL watchlist:{mine}:settings"), ("B", "HSET watchlist:{mine}:settings a b"),
    # metrics
    ("IB", "GET metrics:{ingest}"), ("AB", "GET metrics:{alerts}"), ("I", "SET metrics:{ingest} x"),
    ("A", "SET metrics:{alerts} x"), ("", "SET metrics:{bridge} x"),
    # channels
    ("I", "PUBLISH bars x"), ("I", "PUBLISH bars:{AAPL} x"), ("IA", "PUBLISH alerts x"), ("", "PUBLISH other x"),
    ("AB", "SUBSCRIBE bars"), ("B", "SUBSCRIBE alerts"), ("", "SUBSCRIBE other"), ("", "PSUBSCRIBE *"),
    # others' keys, and the server
    ("", "GET foreign"), ("", "SET foreign x"), ("", "KEYS *"), ("I", "SCAN 0"), ("", "RANDOMKEY"), ("", "RENAME symbols x"),
    ("", "DUMP symbols"), ("", "RESTORE x 0 y"), ("", "MIGRATE h 1 k 0 1"), ("", "COPY symbols x"), ("", "SORT symbols"),
    ("", "FLUSHALL"), ("", "FLUSHDB"), ("", "SWAPDB 0 1"), ("", "DBSIZE"), ("IG", "INFO"), ("I", "BGREWRITEAOF"), ("", "BGSAVE"),
    ("", "CONFIG GET *"), ("", "CONFIG SET dir /tmp"), ("", "DEBUG SLEEP 0"), ("", "SHUTDOWN"), ("", "REPLICAOF h 1"),
    ("", "MONITOR"), ("", "SLOWLOG GET"), ("", "ACL LIST"), ("", "ACL WHOAMI"), ("", "ACL SETUSER x"), ("", "MODULE LOAD x"),
    ("", "EVAL return 0"), ("", "SCRIPT LOAD x"), ("", "FUNCTION LOAD x"), ("", "FUNCTION DELETE tapewatch"),
    ("", "FUNCTION FLUSH"), ("", "FUNCTION RESTORE x"), ("", "FUNCTION LIST"), ("IB", "MULTI"), ("IA", "TIME"), ("", "WAIT 0 0"),
    ("G", "COMMAND"), ("", "MEMORY DOCTOR"), ("", "LATENCY DOCTOR"), ("", "OBJECT ENCODING symbols"),
]  # fmt: skip


@pytest.fixture(scope="module")
def users(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as client:
        for user in USERS.values():
            access.apply(client, user, "a-password-of-a-test")
        yield client
        client.acl_deluser(*USERS)


@pytest.mark.parametrize(("who", "command"), PROBES, ids=[command for _, command in PROBES])
def test_who_may(users: Redis, who: str, command: str) -> None:
    words = ["EVAL", "return 0", "0"] if command.startswith("EVAL") else command.split()
    if words[0] == "FCALL":
        words += ["x"]
    allowed = {name[0].upper() for name in USERS if users.execute_command("ACL", "DRYRUN", name, *words) == b"OK"}
    assert allowed == set(who)
