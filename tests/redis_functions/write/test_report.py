"""The report of each second where Redis refuses a part of it."""

from __future__ import annotations

import asyncio

from redis import Redis
from redis.exceptions import NoPermissionError

from redis_functions.contract import keys
from redis_functions.read.market import read_halted
from redis_functions.server.connection import connect_async
from redis_functions.server.inspection import used_memory
from redis_functions.write.report import write_report

T = 1_760_103_000_000


def report(url: str) -> dict[str, str]:
    async def main() -> dict[str, str]:
        async with connect_async(url) as client:
            found = await write_report(client, T, {"symbols": 7, "lag_ms": 1.5}, b'{"t":1}')
            return {key: type(error).__name__ for key, error in found.items()}

    return asyncio.run(main())


def test_halted_symbols_are_those_of_the_last_report(redis: Redis, redis_url: str) -> None:
    redis.hset(keys.HALTED, "OLD", 1)

    async def main() -> list[set[str]]:
        async with connect_async(redis_url) as client:
            found = []
            for halted, resumed in (({"A": T, "B": T}, None), ({"B": T}, {"A"}), ({}, {"B"})):
                assert await write_report(client, T, {}, b"{}", halted, resumed) == {}
                found.append(read_halted(redis, ["OLD", "A", "B"]))
            return found

    assert asyncio.run(main()) == [{"A", "B"}, {"B"}, set()]


def value(redis: Redis, name: str) -> object:
    return redis.execute_command("TS.GET", keys.stat(name))


def test_all_is_written(redis: Redis, redis_url: str) -> None:
    assert report(redis_url) == {}
    assert redis.get(keys.MOVERS) == b'{"t":1}'
    assert (value(redis, "symbols"), value(redis, "lag_ms")) == ([T, b"7"], [T, b"1.5"])


def test_a_key_of_another_type_does_not_stop_the_rest(redis: Redis, redis_url: str) -> None:
    redis.set(keys.stat("symbols"), "x")
    assert report(redis_url) == {keys.stat("symbols"): "ResponseError"}
    assert redis.get(keys.MOVERS) == b'{"t":1}'
    assert value(redis, "lag_ms") == [T, b"1.5"]


def test_a_user_without_a_right_writes_the_rest_and_the_memory_is_unknown(redis: Redis, redis_url: str) -> None:
    redis.execute_command("ACL", "SETUSER", "hosted", "on", ">pw", "~*", "&*", "+@all", "-@dangerous", "-set")
    try:
        url = redis_url.replace("unix://", "unix://hosted:pw@")
        assert report(url) == {keys.MOVERS: NoPermissionError.__name__}
        assert value(redis, "symbols") == [T, b"7"]

        async def asked(url: str) -> float | None:
            async with connect_async(url) as client:
                return await used_memory(client)

        assert asyncio.run(asked(url)) is None
        assert (asyncio.run(asked(redis_url)) or 0) > 100_000
    finally:
        redis.acl_deluser("hosted")
