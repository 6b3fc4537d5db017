"""Connections by redis-py, for everything that is not the hot write path.

A server that is no primary any more (it answers READONLY or MASTERDOWN) is left: the connection is closed and the command is
tried on a new one, for which the host's name is looked up again.
"""

from __future__ import annotations

from typing import Any

from redis import ConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio import Connection as AsyncConnection
from redis.asyncio import ConnectionPool as AsyncConnectionPool
from redis.asyncio import Redis as AsyncRedis
from redis.asyncio import SSLConnection as AsyncSSLConnection
from redis.asyncio import UnixDomainSocketConnection as AsyncUnixDomainSocketConnection
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import Connection
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError
from redis.retry import Retry

from redis_functions.errors import Kind, kind_of
from redis_functions.server.address import Address, BadRedisUrl, keep_alive_options

__all__ = ["BadRedisUrl", "check_url", "connect", "connect_async", "connect_reader"]

#: Pinned: the shapes of replies (TS.INFO, TS.RANGE) differ between protocols.
PROTOCOL = 2
#: A connection that was idle for so long is asked whether it is alive before it is used; seconds.
IDLE_CHECK_S = 10


class _Leaving:
    """Turns the error of a server that is no primary into one of the connection, which is closed."""

    def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            if kind_of(error) is not Kind.NOT_PRIMARY:
                raise
            self.disconnect()  # type: ignore[attr-defined]
            raise RedisConnectionError(f"this Redis is no primary (any more): {error}") from None


class _LeavingAsync:
    """The same for asyncio."""

    async def read_response(self, *args: Any, **options: Any) -> Any:
        try:
            return await super().read_response(*args, **options)  # type: ignore[misc]
        except ResponseError as error:
            if kind_of(error) is not Kind.NOT_PRIMARY:
                raise
            await self.disconnect(nowait=True)  # type: ignore[attr-defined]
            raise RedisConnectionError(f"this Redis is no primary (any more): {error}") from None


class _Tcp(_Leaving, Connection):
    pass


class _Tls(_Leaving, SSLConnection):
    pass


class _Unix(_Leaving, UnixDomainSocketConnection):
    pass


class _AsyncTcp(_LeavingAsync, AsyncConnection):
    pass


class _AsyncTls(_LeavingAsync, AsyncSSLConnection):
    pass


class _AsyncUnix(_LeavingAsync, AsyncUnixDomainSocketConnection):
    pass


def check_url(url: str) -> None:
    """Raises BadRedisUrl as `Address.parse` does."""
    Address.parse(url)


def connect(url: str, *, timeout: float = 5.0) -> Redis:
    """A client that returns bytes; `timeout` in seconds, for connecting and for each command. Raises BadRedisUrl.

    A command whose connection is lost is tried once more on a new one; one that times out is not.
    """
    address = Address.parse(url)
    options = _options(address, timeout) | {"retry": Retry(NoBackoff(), 1, (RedisConnectionError,))}
    return Redis.from_pool(ConnectionPool(_kind(address, _Unix, _Tls, _Tcp), **options))


def connect_reader(url: str, *, timeout: float = 5.0) -> Redis:
    """A client for many short reads: that a server is lost is an error after one more try, without a wait before it."""
    address = Address.parse(url)
    options = _options(address, timeout) | {"retry": Retry(NoBackoff(), 1)}
    return Redis.from_pool(ConnectionPool(_kind(address, _Unix, _Tls, _Tcp), **options))


def connect_async(url: str, *, timeout: float = 5.0) -> AsyncRedis:
    """The same as `connect` for asyncio."""
    address = Address.parse(url)
    options = _options(address, timeout) | {"retry": AsyncRetry(NoBackoff(), 1, (RedisConnectionError,))}
    return AsyncRedis.from_pool(AsyncConnectionPool(_kind(address, _AsyncUnix, _AsyncTls, _AsyncTcp), **options))


def _kind(address: Address, unix: type[Any], tls: type[Any], tcp: type[Any]) -> type[Any]:
    return unix if address.path else tcp if address.tls is None else tls


def _options(address: Address, timeout: float) -> dict[str, Any]:
    options: dict[str, Any] = {
        "protocol": PROTOCOL,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "health_check_interval": IDLE_CHECK_S,
        "username": address.username or None,
        "password": address.password or None,
    }
    if address.path:
        return options | {"path": address.path}
    options |= {"socket_keepalive": True, "socket_keepalive_options": keep_alive_options()}
    return options | {"host": address.host, "port": address.port} | dict(address.tls or {})
