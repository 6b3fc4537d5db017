"""The library is one source, loaded once per version, whichever process starts first."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from redis import Redis
from redis.exceptions import ResponseError

from redis_functions.contract.access import INGEST, apply
from redis_functions.errors import FunctionsMissing, StoreRefused, may_pass
from redis_functions.lua import loader
from redis_functions.server.connection import connect, connect_async


def names(redis: Redis) -> set[str]:
    return {function.name for function in loader.functions(redis)}


def test_loads_once(redis: Redis) -> None:
    first, second = loader.ensure(redis), loader.ensure(redis)
    assert first == loader.Loaded(loader.library().version, None)
    assert first.changed
    assert second == loader.Loaded(first.version, first.version)
    assert not second.changed


def test_every_file_is_a_function_of_its_name(redis: Redis) -> None:
    loader.ensure(redis)
    files = {path.stem for path in loader.FOLDER.glob("*.lua") if not path.name.startswith("_")}
    assert names(redis) == files | {loader.VERSION_FUNCTION}
    assert "raise_alert" in files


def test_every_function_tells_what_it_does(redis: Redis) -> None:
    assert loader.functions(redis) == []
    loader.ensure(redis)
    assert all(len(function.description) > 20 for function in loader.functions(redis))


def test_what_people_read_with_may_not_write(redis: Redis) -> None:
    loader.ensure(redis)
    readers = {function.name for function in loader.functions(redis) if not function.writes}
    assert readers == {"candles", "last_bar", "movers_top", loader.VERSION_FUNCTION}


def test_another_version_is_replaced(redis: Redis) -> None:
    old = (
        f"#!lua name={loader.LIBRARY}\n"
        f"redis.register_function{{function_name='{loader.VERSION_FUNCTION}', flags={{'no-writes'}},"
        " callback=function() return 'old' end}\n"
        "redis.register_function('retired', function() return 1 end)"
    )
    redis.function_load(old)
    assert loader.ensure(redis) == loader.Loaded(loader.library().version, "old")
    assert "retired" not in names(redis)


def test_version_changes_with_the_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = loader.library()
    folder = tmp_path / "lua"
    folder.mkdir()
    for path in loader.FOLDER.glob("*.lua"):
        (folder / path.name).write_text(path.read_text())
    changed = folder / "last_bar.lua"
    changed.write_text(changed.read_text() + "-- changed\n")
    monkeypatch.setattr(loader, "FOLDER", folder)
    loader.library.cache_clear()
    try:
        assert loader.library().version != before.version
    finally:
        loader.library.cache_clear()


def test_eight_starts_at_once(redis: Redis, redis_url: str) -> None:
    def start(_: int) -> loader.Loaded:
        with connect(redis_url) as client:
            return loader.ensure(client)

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(start, range(8)))
    assert {each.version for each in found} == {loader.library().version}
    assert "raise_alert" in names(redis)


def test_asyncio_variant(redis: Redis, redis_url: str) -> None:
    async def both() -> tuple[loader.Loaded, loader.Loaded]:
        async with connect_async(redis_url) as client:
            return await loader.ensure_async(client), await loader.ensure_async(client)

    first, second = asyncio.run(both())
    assert first.changed
    assert not second.changed
    assert "raise_alert" in names(redis)


def test_other_errors_are_not_taken_for_a_missing_library(redis: Redis) -> None:
    broken = (
        f"#!lua name=other\nredis.register_function{{function_name='{loader.VERSION_FUNCTION}', flags={{'no-writes'}},"
        " callback=function() return redis.error_reply('BROKEN') end}"
    )
    redis.function_load(broken)
    with pytest.raises(ResponseError, match="BROKEN"):
        loader.ensure(redis)


def test_a_library_of_another_program_is_not_replaced(redis: Redis) -> None:
    theirs = f"#!lua name={loader.LIBRARY}\nredis.register_function('theirs', function() return 1 end)"
    redis.function_load(theirs)
    for load in (lambda: loader.ensure(redis), lambda: asyncio.run(_ensured(redis))):
        with pytest.raises(StoreRefused, match=r"library 'tapewatch' of another program.*FUNCTION DELETE"):
            load()
    assert redis.execute_command("FCALL", "theirs", 0) == 1


def test_a_function_of_the_same_name_elsewhere_is_named(redis: Redis) -> None:
    redis.function_load("#!lua name=theirs\nredis.register_function('last_bar', function() return 1 end)")
    with pytest.raises(StoreRefused, match="last_bar already exists"):
        loader.ensure(redis)


def test_a_user_that_may_not_load_it_says_who_must(redis: Redis, redis_url: str) -> None:
    apply(redis, INGEST, "a-long-password")
    try:
        url = redis_url.replace("unix://", "unix://ingest:a-long-password@")
        with connect(url) as client:
            with pytest.raises(
                FunctionsMissing, match=r"holds none.*administrator run `tapewatch functions load`"
            ) as missing:
                loader.ensure(client)
            assert may_pass(missing.value)
            loader.ensure(redis)
            assert not loader.ensure(client).changed
    finally:
        redis.acl_deluser("ingest")


async def _ensured(redis: Redis) -> loader.Loaded:
    path = redis.get_connection_kwargs()["path"]
    async with connect_async(f"unix://{path}") as client:
        return await loader.ensure_async(client)
