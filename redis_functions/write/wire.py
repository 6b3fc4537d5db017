"""A bare connection to Redis for the hot path: bytes out, replies in, in order.

redis-py costs five times as much per bar (bench/), so the hot path packs its commands itself; all else uses redis-py.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections import deque
from typing import Any

from redis.connection import parse_url

from redis_functions.contract.resp import encode
from redis_functions.write.replies import Replies

#: A server that does not answer for so long is taken for gone.
CONNECT_TIMEOUT_S = 5.0
#: What a Unix socket shall hold of what Redis has not read yet (the kernel takes twice that, or twice its net.core.wmem_max).
#: With the usual 208 KiB, a quarter of a thousand bars, Redis stood still a quarter of the time under full load, because the
#: socket is only written to again when three quarters are read and the event loop comes round.
SEND_BUFFER_BYTES = 1 << 20


class WireLost(ConnectionError):
    """The connection ended before all replies had come."""


class Wire(asyncio.Protocol):
    """`send(payload, commands)` resolves with that many replies; errors are items of the list, not exceptions."""

    def __init__(self) -> None:
        self._replies = Replies()
        self._waiting: deque[asyncio.Future[list[Any]]] = deque()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()

    @classmethod
    async def open(cls, url: str) -> Wire:
        """Connects and authenticates to a redis://, rediss:// or unix:// URL. Raises OSError or WireLost."""
        options = parse_url(url)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if "path" in options:
                _, wire = await loop.create_unix_connection(cls, options["path"])
            else:
                context = _tls(options) if "connection_class" in options else None
                host, port = options.get("host", "localhost"), int(options.get("port", 6379))
                _, wire = await loop.create_connection(cls, host, port, ssl=context)
            try:
                await wire._authenticate(options)
            except BaseException:
                wire.close()
                raise
        return wire

    async def _authenticate(self, options: dict[str, Any]) -> None:
        if options.get("password"):
            words = ["AUTH", *([options["username"]] if options.get("username") else []), options["password"]]
            (reply,) = await self.send(encode(words), 1)
            if isinstance(reply, Exception):
                raise WireLost(f"Redis refuses the password: {reply}")

    def send(self, payload: bytes, commands: int, lines: int = 0) -> asyncio.Future[list[Any]]:
        """Writes `payload`, which holds `commands` commands; the future has as many replies or raises WireLost.

        With `lines`, those of the replies when there is no error (see Replies.expect), the list is empty if there is none.
        """
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            done.set_exception(WireLost("not connected"))
            return done
        self._replies.expect(commands, lines)
        self._waiting.append(done)
        self._transport.write(payload)
        return done

    async def drain(self) -> None:
        """Waits while the socket's send buffer is full."""
        await self._writable.wait()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    # --- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        transport.set_write_buffer_limits(high=1 << 20)
        sock = transport.get_extra_info("socket")
        if sock.family == socket.AF_UNIX:  # the kernel sizes those of TCP by itself
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)

    def data_received(self, data: bytes) -> None:
        for replies in self._replies.feed(data):
            done = self._waiting.popleft()
            if not done.done():
                done.set_result(replies)

    def pause_writing(self) -> None:
        self._writable.clear()

    def resume_writing(self) -> None:
        self._writable.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._writable.set()
        while self._waiting:
            done = self._waiting.popleft()
            if not done.done():
                done.set_exception(WireLost(str(exc) if exc else "Redis closed the connection"))


def _tls(options: dict[str, Any]) -> ssl.SSLContext:
    """What the URL asks for, by the names that redis-py knows; a certificate authority that is given is the only one."""
    context = ssl.create_default_context(cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path"))
    if options.get("ssl_cert_reqs") == "none" or not options.get("ssl_check_hostname", True):
        context.check_hostname = False
    if options.get("ssl_cert_reqs") == "none":
        context.verify_mode = ssl.CERT_NONE
    if options.get("ssl_min_version"):
        context.minimum_version = ssl.TLSVersion(options["ssl_min_version"])
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"), options.get("ssl_password"))
    return context
