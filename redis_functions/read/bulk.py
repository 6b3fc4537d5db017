"""Many commands in one round trip with their replies as raw bytes: for replies of thousands of numbers, where an object
for each would cost more than all the rest of a request."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from weakref import WeakKeyDictionary, finalize

from redis import Redis, SSLConnection
from redis.exceptions import AuthenticationError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from redis_functions.errors import Kind, kind_of
from redis_functions.server.address import TLS_OPTIONS, Address, keep_alive

_PING = b"*1\r\n$4\r\nPING\r\n"
_PONG = b"+PONG\r\n"
#: Above 128 KiB the allocator would map and unmap memory at each read.
_CHUNK = 1 << 16
#: Idle connections beside the client's own pool; closed with the client.
_idle: WeakKeyDictionary[Redis, list[socket.socket]] = WeakKeyDictionary()


def _idle_of(client: Redis) -> list[socket.socket]:
    found = _idle.get(client)
    if found is None:
        found = _idle[client] = []
        finalize(client, _close, found)
    return found


def _close(sockets: list[socket.socket]) -> None:
    while sockets:
        sockets.pop().close()


def exchange(client: Redis, commands: bytes) -> bytes:
    """The replies to packed `commands`, which must only read: on a connection that turns out to be dead they are sent
    once more. Made with the client's address, password and time limit.

    Raises redis-py's ConnectionError (AuthenticationError among them) and TimeoutError.
    """
    idle = _idle_of(client)
    with suppress(IndexError):
        while sock := idle.pop():
            # If the server was down meanwhile, the other connections are dead, too.
            with suppress(RedisConnectionError):
                return _exchange(client, sock, commands)
    with suppress(RedisConnectionError):
        return _exchange(client, _dial(client), commands)
    return _exchange(client, _dial(client), commands)


def forget(client: Redis) -> None:
    """Closes the idle connections: their server is not the one to ask any more."""
    _close(_idle_of(client))


def _exchange(client: Redis, sock: socket.socket, commands: bytes) -> bytes:
    try:
        replies = _ask(sock, commands)
    except BaseException:
        # Its replies were not read to their end.
        sock.close()
        raise
    _idle_of(client).append(sock)
    return replies


def _ask(sock: socket.socket, commands: bytes) -> bytes:
    """Everything before the reply to the closing PING, the only one that can end like that."""
    received = _talk(sock, commands + _PING, _PONG)
    del received[-len(_PONG) :]
    return bytes(received)


def _talk(sock: socket.socket, words: bytes, end: bytes) -> bytearray:
    """Sends `words` and returns what is answered, up to the `end` of it. Raises ConnectionError and TimeoutError of redis-py."""
    received = bytearray()
    try:
        sock.sendall(words)
        while not received.endswith(end):
            chunk = sock.recv(_CHUNK)
            if not chunk:
                raise RedisConnectionError("Redis closed the connection")
            received += chunk
    except TimeoutError:
        raise RedisTimeoutError("Redis did not answer in time") from None
    except OSError as error:
        raise RedisConnectionError(f"talking to Redis: {error}") from None
    return received


def _dial(client: Redis) -> socket.socket:
    """A new connection, logged in; the host's name is looked up each time."""
    options: Mapping[str, Any] = client.get_connection_kwargs()
    tls = issubclass(client.connection_pool.connection_class, SSLConnection)
    address = Address(
        options.get("host", "localhost"), options.get("port", 6379), options.get("path", ""),
        options.get("username") or "", options.get("password") or "",
        {name: options[name] for name in TLS_OPTIONS if name in options} if tls else None,
    )  # fmt: skip
    try:
        sock = _open(address, options.get("socket_connect_timeout"))
    except TimeoutError:
        raise RedisTimeoutError("connecting to Redis took too long") from None
    except OSError as error:
        raise RedisConnectionError(f"connecting to Redis: {error}") from None
    sock.settimeout(options.get("socket_timeout"))
    try:
        _log_in(sock, address)
    except BaseException:
        sock.close()
        raise
    return sock


def _open(address: Address, timeout: float | None) -> socket.socket:
    if address.path:
        sock = socket.socket(socket.AF_UNIX)
        sock.settimeout(timeout)
        try:
            sock.connect(address.path)
        except BaseException:
            sock.close()
            raise
        return sock
    sock = socket.create_connection((address.host, address.port), timeout)
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        keep_alive(sock)
        context = address.tls_context()
        return context.wrap_socket(sock, server_hostname=address.host) if context else sock
    except BaseException:
        sock.close()
        raise


def _log_in(sock: socket.socket, address: Address) -> None:
    login = address.login()
    if not login:
        return
    # With a wrong password the closing PING is refused too, where one is needed: so the first line decides.
    received = _talk(sock, login, b"\r\n")
    if not received.startswith(b"+OK"):
        text = received.decode(errors="replace").strip().lstrip("-")
        kind = kind_of(Exception(text))
        raise (
            AuthenticationError(f"Redis refuses the password: {text}")
            if kind is Kind.LOGIN
            else RedisConnectionError(text)
        )
