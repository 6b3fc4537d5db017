"""Many commands in one round trip with their replies as raw bytes: for replies of thousands of numbers, where an object
for each would cost more than all the rest of a request."""

from __future__ import annotations

from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_PING = b"*1\r\n$4\r\nPING\r\n"
_PONG = b"+PONG\r\n"
#: Above 128 KiB the allocator would map and unmap memory at each read.
_CHUNK = 1 << 16
#: Connections that redis-py made and nobody uses just now.
_idle: WeakKeyDictionary[Redis, list[Any]] = WeakKeyDictionary()


def exchange(client: Redis, commands: bytes) -> bytes:
    """The replies to packed `commands`, which must only read: on a connection that turns out to be dead they are sent
    once more. Raises redis-py's ConnectionError and TimeoutError."""
    idle = _idle.setdefault(client, [])
    with suppress(IndexError):
        while connection := idle.pop():
            # Where the server was away meanwhile, the others are dead as well.
            with suppress(RedisConnectionError):
                return _exchange(client, connection, commands)
    pool: Any = client.connection_pool
    with suppress(RedisConnectionError):
        return _exchange(client, pool.get_connection(), commands)
    return _exchange(client, pool.get_connection(), commands)


def _exchange(client: Redis, connection: Any, commands: bytes) -> bytes:
    try:
        replies = _ask(connection._sock, commands + _PING)
    except BaseException:
        # Its replies were not read to their end.
        connection.disconnect()
        client.connection_pool.release(connection)
        raise
    # Kept here and not in the pool: to take one out, which looks whether it is alive, and to give it back costs as much as
    # all the rest of an exchange.
    _idle[client].append(connection)
    return replies


def _ask(sock: Any, commands: bytes) -> bytes:
    """Everything before the reply to the closing PING, the only one that can end like that."""
    received = bytearray()
    try:
        sock.sendall(commands)
        while not received.endswith(_PONG):
            chunk = sock.recv(_CHUNK)
            if not chunk:
                raise RedisConnectionError("Redis closed the connection")
            received += chunk
    except TimeoutError:
        raise RedisTimeoutError("Redis did not answer in time") from None
    except OSError as error:
        raise RedisConnectionError(f"talking to Redis: {error}") from None
    del received[-len(_PONG) :]
    return bytes(received)
