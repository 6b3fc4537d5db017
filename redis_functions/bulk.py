"""Many commands in one round trip with their replies as raw bytes: for replies of thousands of numbers, where an object
for each would cost more than all the rest of a request."""

from __future__ import annotations

from typing import Any

from redis import Redis
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

_PING = b"*1\r\n$4\r\nPING\r\n"
_PONG = b"+PONG\r\n"
#: Above 128 KiB the allocator would map and unmap memory at each read.
_CHUNK = 1 << 16


def exchange(client: Redis, commands: bytes) -> bytes:
    """The replies to packed `commands`, which must only read: on a connection that turns out to be dead they are sent
    once more. Raises redis-py's ConnectionError and TimeoutError."""
    try:
        return _exchange(client, commands)
    except RedisConnectionError:
        return _exchange(client, commands)


def _exchange(client: Redis, commands: bytes) -> bytes:
    # redis-py connects, authenticates and keeps the pool; only the reading goes past it. A connection whose replies were
    # not read to their end is closed.
    pool: Any = client.connection_pool
    connection = pool.get_connection()
    whole = False
    try:
        connection.send_packed_command([commands + _PING])
        replies = _receive(connection._sock)
        whole = True
        return replies
    finally:
        if not whole:
            connection.disconnect()
        pool.release(connection)


def _receive(sock: Any) -> bytes:
    """Everything before the reply to the closing PING, the only one that can end like that."""
    received = bytearray()
    while not received.endswith(_PONG):
        try:
            chunk = sock.recv(_CHUNK)
        except TimeoutError:
            raise RedisTimeoutError("Redis did not answer in time") from None
        except OSError as error:
            raise RedisConnectionError(f"reading from Redis: {error}") from None
        if not chunk:
            raise RedisConnectionError("Redis closed the connection")
        received += chunk
    del received[-len(_PONG) :]
    return bytes(received)
