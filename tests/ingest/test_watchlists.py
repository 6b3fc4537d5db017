"""A frame is cut down to the symbols that somebody watches."""

from __future__ import annotations

import asyncio
import json

from redis import Redis

from ingest.watchlists import Watched
from redis_functions.contract import keys
from redis_functions.server.connection import connect_async
from tests.fake_vendor import second_bar
from vendor.vendors import DEFAULT

T = 1_760_104_800_000


def test_only_watched_symbols_are_left_of_a_frame(redis: Redis, redis_url: str) -> None:
    frame = json.dumps([second_bar("A", T), second_bar("B", T)]).encode()

    async def go() -> list[bytes | None]:
        async with connect_async(redis_url) as client:
            watched = Watched(client, DEFAULT)
            found = [watched.only(frame)]
            for symbols in (("B", "C"), ("C",)):
                redis.delete(keys.watchlist("mine"))
                redis.sadd(keys.watchlist("mine"), *symbols)
                await watched.refresh()
                found.append(watched.only(frame))
            return found

    nobody, one, none = asyncio.run(go())
    assert nobody is None
    assert one is not None
    assert [event["sym"] for event in json.loads(one)] == ["B"]
    assert none is None
