"""Connections by redis-py, for everything that is not the hot write path."""

from __future__ import annotations

from redis import Redis
from redis.asyncio import Redis as AsyncRedis
from redis.backoff import NoBackoff
from redis.connection import parse_url
from redis.retry import Retry

#: Pinned: the shapes of replies (TS.INFO, TS.RANGE) differ between protocols.
PROTOCOL = 2


class BadRedisUrl(ValueError):
    """The URL cannot be used; the text is one line without the password."""


def check_url(url: str) -> None:
    """Raises BadRedisUrl unless `url` is redis://, rediss:// or unix:// on database 0 (compaction needs it, trap T4)."""
    try:
        options = parse_url(url)
    except ValueError:
        # The library's own words may quote a part of the password.
        raise BadRedisUrl(
            "the Redis URL cannot be read: redis://, rediss:// or unix://, with a password's /, @ and : percent-encoded"
        ) from None
    if options.get("db", 0) != 0:
        raise BadRedisUrl("only logical database 0 works: compaction rules do not run in any other")


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that answers bytes; `timeout` in seconds, for connecting and for each command."""
    check_url(url)
    return Redis.from_url(url, protocol=PROTOCOL, socket_timeout=timeout, socket_connect_timeout=timeout)


def connect_reader(url: str, *, timeout: float = 5.0) -> Redis:
    """A client for many short reads: that a server is lost is told after one more try, without waiting for it."""
    check_url(url)
    return Redis.from_url(
        url, protocol=PROTOCOL, socket_timeout=timeout, socket_connect_timeout=timeout, retry=Retry(NoBackoff(), 1)
    )


def connect_async(url: str, *, timeout: float = 5.0) -> AsyncRedis:
    """The same for asyncio."""
    check_url(url)
    return AsyncRedis.from_url(url, protocol=PROTOCOL, socket_timeout=timeout, socket_connect_timeout=timeout)
