"""The watchlists, as far as the feed's process needs them."""

from __future__ import annotations

import logging

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from redis_functions.contract import keys
from redis_functions.errors import Kind, kind_of

log = logging.getLogger("tapewatch.store")

#: What is read at most: anybody who may write watchlists could make the reader hold any number of symbols.
MAX_WATCHLISTS, MAX_WATCHED = 1_000, 50_000

_SETTINGS = keys.watchlist_settings("").rpartition("}")[2].encode()


async def read_watched(client: Redis) -> frozenset[str]:
    """The symbols on any watchlist, at most MAX_WATCHED of MAX_WATCHLISTS lists; members that are not text are left out.

    Raises redis.RedisError.
    """
    found: set[str] = set()
    lists = 0
    async for key in client.scan_iter(match=keys.watchlist("*"), count=1_000, _type="SET"):
        if key.endswith(_SETTINGS):
            continue
        lists += 1
        if lists > MAX_WATCHLISTS or len(found) >= MAX_WATCHED:
            log.warning(
                "more than %d watchlists or %d symbols on them: the rest is not read", MAX_WATCHLISTS, MAX_WATCHED
            )
            break
        try:
            async for member in client.sscan_iter(key, count=1_000):
                if isinstance(member, bytes) and (text := _text(member)):
                    found.add(text)
                if len(found) >= MAX_WATCHED:
                    break
        except ResponseError as error:
            if kind_of(error) is not Kind.WRONG_TYPE:  # replaced between the two commands
                raise
    return frozenset(found)


def _text(member: bytes) -> str:
    try:
        return member.decode()
    except UnicodeDecodeError:
        return ""
