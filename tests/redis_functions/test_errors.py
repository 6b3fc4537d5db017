"""The classifier against the errors that a real Redis gives, through redis-py and through hiredis."""

from __future__ import annotations

from collections.abc import Callable

import hiredis
import pytest
from redis import Redis
from redis.exceptions import ConnectionError, RedisError, ResponseError, TimeoutError

from redis_functions.contract.resp import encode
from redis_functions.errors import Kind, kind_of, may_pass
from tests.own_redis import OwnRedis


def _caused(client: Redis, *words: str | int) -> RedisError:
    with pytest.raises(RedisError) as caught:
        client.execute_command(*words)
    return caught.value


@pytest.mark.parametrize(
    ("words", "kind"),
    [
        (("TS.GET", "none"), Kind.NO_SERIES),
        (("TS.RANGE", "none", 0, 1), Kind.NO_SERIES),
        (("TS.GET", "text"), Kind.WRONG_TYPE),
        (("SADD", "text", "x"), Kind.WRONG_TYPE),
        (("TS.CREATE", "series"), Kind.EXISTS),
        (("TS.CREATERULE", "series", "larger", "AGGREGATION", "sum", 10), Kind.EXISTS),
        (("TS.ADD", "series", 1, 1), Kind.TOO_OLD),
        (("FCALL", "no_such", 0), Kind.NO_FUNCTION),
        (("NO.SUCH", "command"), Kind.NO_COMMAND),
        (("TS.ADD", "series", "x", "y"), Kind.OTHER),
    ],
)
def test_kind_of_an_error_of_redis(redis: Redis, words: tuple[str | int, ...], kind: Kind) -> None:
    redis.set("text", "x")
    redis.execute_command("TS.CREATE", "series", "RETENTION", 1000)
    redis.execute_command("TS.CREATE", "larger")
    redis.execute_command("TS.CREATERULE", "series", "larger", "AGGREGATION", "sum", 10)
    redis.execute_command("TS.ADD", "series", 1_000_000, 1)
    error = _caused(redis, *words)
    assert kind_of(error) is kind
    assert not may_pass(error)


def test_an_item_of_madd_for_a_missing_series(redis: Redis) -> None:
    (error,) = redis.execute_command("TS.MADD", "none", 1, 1)
    assert kind_of(error) is Kind.NO_SERIES


def test_what_an_access_list_refuses_stays_refused(redis: Redis) -> None:
    redis.execute_command("ACL", "SETUSER", "few", "on", "nopass", "resetkeys", "-@all", "+get", "~mine")
    redis.execute_command("AUTH", "few", "")
    try:
        for words in (("GET", "other"), ("SET", "mine", 1), ("TS.GET", "mine")):
            assert kind_of(_caused(redis, *words)) is Kind.DENIED
    finally:
        redis.execute_command("AUTH", "default", "")
        redis.acl_deluser("few")


def test_a_full_redis_may_pass_also_from_inside_a_function() -> None:
    with OwnRedis("--maxmemory", "1mb") as own:
        error = _caused(own.client, "SET", "x", "y")
        assert kind_of(error) is Kind.FULL
        own.client.config_set("maxmemory", "0")
        own.client.execute_command(
            "FUNCTION LOAD",
            "#!lua name=l\nredis.register_function('f', function(k) return redis.call('SET', k[1], 1) end)",
        )
        own.client.config_set("maxmemory", "1mb")
        assert kind_of(_caused(own.client, "FCALL", "f", 1, "x")) is Kind.FULL


def test_a_replica_is_not_the_primary() -> None:
    # redis-py's own client: ours leaves such a server.
    with OwnRedis() as own, Redis.from_url(own.url) as client:
        client.execute_command("REPLICAOF", "127.0.0.1", "1")
        error = _caused(client, "SET", "x", "y")
        assert kind_of(error) is Kind.NOT_PRIMARY
        assert may_pass(error)
        client.config_set("replica-serve-stale-data", "no")
        assert kind_of(_caused(client, "GET", "x")) is Kind.NOT_PRIMARY


def test_a_wrong_password_may_be_set_right_by_somebody(redis: Redis) -> None:
    assert kind_of(_caused(redis, "AUTH", "nobody", "wrong")) is Kind.LOGIN


@pytest.mark.parametrize("error", [ConnectionError("gone"), TimeoutError("late")])
def test_a_failed_connection_may_pass(error: RedisError) -> None:
    assert kind_of(error) is Kind.UNREACHABLE


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("READONLY You can't write against a read only replica.", Kind.NOT_PRIMARY),
        ("MASTERDOWN Link with MASTER is down", Kind.NOT_PRIMARY),
        ("OOM command not allowed when used memory > 'maxmemory'.", Kind.FULL),
        ("LOADING Redis is loading the dataset in memory", Kind.LOADING),
        ("MISCONF Errors writing to the AOF file", Kind.DISK),
        ("NOPERM this user has no permissions", Kind.DENIED),
        ("WRONGPASS invalid username-password pair", Kind.LOGIN),
        ("ERR TSDB: the key does not exist", Kind.NO_SERIES),
        ("ERR anything else", Kind.OTHER),
    ],
)
@pytest.mark.parametrize("make", [ResponseError, hiredis.ReplyError])
def test_the_first_word_may_still_be_there(line: str, kind: Kind, make: Callable[[str], Exception]) -> None:
    assert kind_of(make(line)) is kind


def test_the_parser_of_the_hot_path_gives_such_errors(redis: Redis) -> None:
    reader = hiredis.Reader()
    reader.feed(b"-OOM full\r\n")
    assert kind_of(reader.gets()) is Kind.FULL
    assert encode(("GET", "x")).startswith(b"*2")
