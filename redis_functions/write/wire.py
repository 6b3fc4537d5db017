"""A bare connection to Redis for the hot path: bytes out, replies in, in order.

redis-py costs five times as much per bar (bench/), so the hot path packs its commands itself; all else uses redis-py.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from typing import Any

from redis_functions.contract.resp import encode
from redis_functions.server.address import Address, keep_alive
from redis_functions.write.replies import Replies

#: A server that does not let us in for so long is taken for gone.
CONNECT_TIMEOUT_S = 5.0
#: So is one that owes replies and sends nothing for so long: a Redis that forks or writes to a slow disk takes less.
REPLY_TIMEOUT_S = 15.0
#: A connection without traffic is asked for a sign of life so often: what has forgotten it on the way is noticed before bars
#: come, and mostly does not forget it.
IDLE_PING_S = 5.0
CHECK_S = 1.0
_PING = encode(["PING"])
#: Bytes that a Unix socket may hold that Redis has not read yet (the kernel allows twice that, or twice its net.core.wmem_max).
#: With the usual 208 KiB, a quarter of a thousand bars, Redis stood still a quarter of the time under full load, because the
#: socket is only written to again when three quarters are read and the event loop comes round.
SEND_BUFFER_BYTES = 1 << 20


class WireLost(ConnectionError):
    """The connection ended before all replies had come."""


class Wire(asyncio.Protocol):
    """`send(payload, commands)` resolves with that many replies; errors are items of the list, not exceptions."""

    def __init__(self, lost: asyncio.Event | None = None) -> None:
        """`lost` is set when the connection ends."""
        self._lost = lost
        self._replies = Replies()
        self._waiting: deque[asyncio.Future[list[Any]]] = deque()
        self._transport: asyncio.Transport | None = None
        self._writable = asyncio.Event()
        self._writable.set()
        self._heard = 0.0  # when something came last, or was first owed; loop time
        self._why = ""
        self._checking: asyncio.TimerHandle | None = None

    @classmethod
    async def open(cls, url: str, lost: asyncio.Event | None = None) -> Wire:
        """Connects and logs in to a redis://, rediss:// or unix:// URL, whose host is looked up each time.

        `lost` is set when the connection ends. Raises OSError (WireLost, TimeoutError among them) and BadRedisUrl.
        """
        address = Address.parse(url)
        loop = asyncio.get_running_loop()
        async with asyncio.timeout(CONNECT_TIMEOUT_S):
            if address.path:
                _, wire = await loop.create_unix_connection(lambda: cls(lost), address.path)
            else:
                _, wire = await loop.create_connection(
                    lambda: cls(lost), address.host, address.port, ssl=address.tls_context()
                )
            try:
                await wire._log_in(address.login())
            except BaseException:
                wire.close()
                raise
        return wire

    async def _log_in(self, login: bytes) -> None:
        if login:
            (reply,) = await self.send(login, 1)
            if isinstance(reply, Exception):
                raise WireLost(f"Redis refuses the password: {reply}")

    @property
    def is_open(self) -> bool:
        """False once the connection has ended, or is being closed."""
        return self._transport is not None and not self._transport.is_closing()

    def send(self, payload: bytes, commands: int, lines: int = 0) -> asyncio.Future[list[Any]]:
        """Writes `payload`, which holds `commands` commands; the future has as many replies or raises WireLost.

        With `lines`, those of the replies when there is no error (see Replies.expect), the list is empty if there is none.
        """
        done: asyncio.Future[list[Any]] = asyncio.get_running_loop().create_future()
        if self._transport is None or self._transport.is_closing():
            done.set_exception(WireLost("not connected"))
            return done
        if not self._waiting:
            self._heard = asyncio.get_running_loop().time()
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
        if sock.family == socket.AF_UNIX:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER_BYTES)
        else:  # the kernel sizes the buffers of TCP by itself
            keep_alive(sock)
        self._heard = asyncio.get_running_loop().time()
        self._check()

    def _check(self) -> None:
        """Gives a silent server up, and asks one that owes nothing for a sign of life; once in CHECK_S."""
        loop = asyncio.get_running_loop()
        silent = loop.time() - self._heard
        if self._waiting and silent > REPLY_TIMEOUT_S:
            self._why = f"Redis owes replies and has sent nothing for {silent:.0f} s"
            if self._transport is not None:
                self._transport.abort()
            return
        if not self._waiting and silent > IDLE_PING_S:
            self.send(_PING, 1, 1).add_done_callback(_discard)
        self._checking = loop.call_later(CHECK_S, self._check)

    def data_received(self, data: bytes) -> None:
        self._heard = asyncio.get_running_loop().time()
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
        if self._checking is not None:
            self._checking.cancel()
        why = self._why or (str(exc) if exc else "Redis closed the connection")
        while self._waiting:
            done = self._waiting.popleft()
            if not done.done():
                done.set_exception(WireLost(why))
        if self._lost is not None:
            self._lost.set()


def _discard(answered: asyncio.Future[list[Any]]) -> None:
    """The reply is not awaited: its error is that of the connection, which other replies report."""
    if not answered.cancelled():
        answered.exception()
