"""The server's side of the vendor's WebSocket protocol, for the simulator and the replayer.

Inbound one JSON object a message, outbound always a JSON array: greeting, ``auth`` (any key is accepted), ``subscribe``
and ``unsubscribe`` with one ``success`` a topic, silence on topics that do not exist. Events go to every client that
subscribed to them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import json
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import orjson
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from simulator.events import Event

log = logging.getLogger("tapewatch.feed")

PATH = "/stocks"
CHANNELS = frozenset({"A", "AM", "T", "LULD"})
#: Channels of the vendor that this feed does not have: it answers as it does to a plan without them.
_NOT_ENTITLED = frozenset({"Q", "NOI", "FMV", "LV"})
#: The vendor's limit for one message of a client.
_MAX_MESSAGE = 1 << 20
FRAME_EVENTS = 300
#: A client that reads so slowly that this much waits for it is dropped, as the vendor does.
_MAX_WAITING = 64 << 20
#: While a history or a recording is sent, no more than this waits for a client.
_COMFORTABLE = 1 << 20

CONNECTED = ("connected", "Connected Successfully")
AUTHENTICATED = ("auth_success", "authenticated")
AUTH_FAILED = ("auth_failed", "authentication failed")
AUTH_TIMEOUT = ("auth_timeout", "No authentication request received.")
NOT_AUTHORIZED = ("error", "not authorized")
MAX_CONNECTIONS = ("max_connections", "Maximum number of websocket connections exceeded. ")


def statuses(*pairs: tuple[str, str], **more: str) -> str:
    """One frame of status events, each with `more` fields."""
    return json.dumps(
        [{"ev": "status", "status": word, "message": text} | more for word, text in pairs], separators=(",", ":")
    )


class Client:
    """One connection: its topics, and what waits to be sent to it."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        self.topics: frozenset[str] = frozenset()
        self.authenticated = False
        self.waiting: deque[str | bytes] = deque()
        self.waiting_bytes = 0
        self._wake = asyncio.Event()

    def send(self, text: str | bytes) -> None:
        """Queues one frame (binary where it is bytes); a client that does not keep up is dropped without a close."""
        self.waiting.append(text)
        self.waiting_bytes += len(text)
        self._wake.set()
        if self.waiting_bytes > _MAX_WAITING:
            log.warning("dropped a client that does not keep up", extra={"waiting_bytes": self.waiting_bytes})
            self.abort()

    async def write(self) -> None:
        """Sends what waits, until the connection is closed."""
        with contextlib.suppress(ConnectionClosed):
            while True:
                await self._wake.wait()
                self._wake.clear()
                while self.waiting:
                    text = self.waiting.popleft()
                    await self.connection.send(text)
                    self.waiting_bytes -= len(text)

    async def flushed(self, seconds: float = 1.0) -> None:
        """Waits until everything is in the kernel's hands, but not for ever."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.waiting_bytes or self.connection.transport.get_write_buffer_size():
                    await asyncio.sleep(0.001)

    async def close(self, code: int) -> None:
        """Ends the connection with a close frame; what is published from now on does not reach it."""
        self.topics = frozenset()
        await self.connection.close(code)

    def abort(self) -> None:
        """Ends the connection without a close frame."""
        self.topics = frozenset()
        self.waiting.clear()
        self.waiting_bytes = 0
        self.connection.transport.abort()


class Feed:
    """All connections of a feed. The `*_until` are times of the loop's clock: faults that last."""

    def __init__(self, market: str | None = None, auth_timeout_s: float = 30.0) -> None:
        """`market` is named in the greeting, so that a store knows what it is filled from."""
        self.market = market
        self.auth_timeout_s = auth_timeout_s
        self.clients: set[Client] = set()
        #: Set at the first subscription ever, and when somebody is subscribed.
        self.begun = asyncio.Event()
        self.has_listener = asyncio.Event()
        #: The topics of those who are, or were the last to be, subscribed.
        self.last_topics: frozenset[str] = frozenset()
        self.refuse_until = self.limit_until = self.mute_until = self.stall_until = 0.0
        self.connections = 0

    async def serve(self, host: str, port: int) -> Server:
        """Listens; raises OSError where the port is not free."""
        return await serve(
            self._connected, host, port, process_request=_checked, compression=None, max_size=_MAX_MESSAGE,
            ping_interval=None, close_timeout=1,
        )  # fmt: skip

    @property
    def listeners(self) -> list[Client]:
        """Those who are subscribed to something."""
        return [client for client in self.clients if client.topics]

    @property
    def channels(self) -> set[str]:
        """The channels that are, or were last, subscribed to."""
        return {topic.partition(".")[0] for topic in self.last_topics}

    @property
    def stalled(self) -> bool:
        return asyncio.get_running_loop().time() < self.stall_until

    def publish(self, events: Sequence[Event]) -> list[bool | None]:
        """Sends each event to everyone subscribed to it.

        Returns for each: True if a client was sent it, False if it was due (to the last subscribers) but no client
        was connected or the feed was stalled, None if it was never subscribed to."""
        listeners = [] if self.stalled else self.listeners
        if not listeners:
            return [False if is_subscribed(self.last_topics, event) else None for event in events]
        fate: list[bool | None] = [None] * len(events)
        groups: dict[frozenset[str], list[Client]] = {}
        for client in listeners:
            groups.setdefault(client.topics, []).append(client)
        for topics, clients in groups.items():
            rows = [i for i, event in enumerate(events) if is_subscribed(topics, event)]
            for i in rows:
                fate[i] = True
            for begin in range(0, len(rows), FRAME_EVENTS):
                text = orjson.dumps([events[i].body for i in rows[begin : begin + FRAME_EVENTS]]).decode()
                for client in clients:
                    client.send(text)
        return fate

    async def writable(self) -> None:
        """Waits until a client is connected and none has too much data waiting."""
        while True:
            await self.has_listener.wait()
            slow = [client for client in self.listeners if client.waiting_bytes > _COMFORTABLE]
            if not slow and self.listeners:
                return
            await asyncio.sleep(0.002)

    async def _connected(self, connection: ServerConnection) -> None:
        loop = asyncio.get_running_loop()
        self.connections += 1
        if loop.time() < self.mute_until or self.stalled:
            muted = loop.time() < self.mute_until
            connection.transport.pause_reading()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(connection.wait_closed(), max(self.mute_until, self.stall_until) - loop.time())
            connection.transport.resume_reading()
            if muted:
                connection.transport.abort()
                return
        client = Client(connection)
        if loop.time() < self.limit_until:
            with contextlib.suppress(ConnectionClosed):
                await connection.send(statuses(MAX_CONNECTIONS))
                await connection.close(1008)
            return
        writer = asyncio.create_task(client.write())
        self.clients.add(client)
        try:
            client.send(statuses(CONNECTED, **({"market": self.market} if self.market else {})))
            await self._converse(client)
        except ConnectionClosed:
            pass
        finally:
            self.clients.discard(client)
            self._topics_changed()
            writer.cancel()

    async def _converse(self, client: Client) -> None:
        connection = client.connection
        try:
            async with asyncio.timeout(self.auth_timeout_s):
                while not client.authenticated:
                    if not await self._answer(client, await connection.recv()):
                        return
        except TimeoutError:
            client.send(statuses(AUTH_TIMEOUT))
            await client.flushed()
            client.abort()
            return
        async for message in connection:
            if not await self._answer(client, message):
                return

    async def _answer(self, client: Client, message: str | bytes) -> bool:
        """Answers one message; False when the connection has been ended."""
        action, params = _parse(message)
        if action == "auth":
            if asyncio.get_running_loop().time() < self.refuse_until:
                client.send(statuses(AUTH_FAILED))
                await client.flushed()
                client.abort()
                return False
            client.authenticated = True
            client.send(statuses(AUTHENTICATED))
        elif action in ("subscribe", "unsubscribe"):
            if not client.authenticated:
                client.send(statuses(NOT_AUTHORIZED))
            else:
                self._subscribe(client, action, params)
        return True

    def _subscribe(self, client: Client, action: str, params: str) -> None:
        add = action == "subscribe"
        topics, errors, answers = set(client.topics), [], []
        for word in params.split(","):
            topic = word.strip()
            channel, dot, symbol = topic.partition(".")
            if channel in _NOT_ENTITLED and dot and add:
                errors.append(NOT_AUTHORIZED)
            elif channel in CHANNELS and symbol and (topic in topics) != add:
                (topics.add if add else topics.discard)(topic)
                answers.append(("success", f"{action}d to: {topic}"))
        if errors + answers:
            client.send(statuses(*errors, *answers))
        client.topics = frozenset(topics)
        self._topics_changed()
        if topics:
            self.begun.set()

    def _topics_changed(self) -> None:
        listeners = self.listeners
        if listeners:
            self.last_topics = frozenset().union(*(client.topics for client in listeners))
            self.has_listener.set()
        else:
            self.has_listener.clear()


def is_subscribed(topics: Iterable[str], event: Event) -> bool:
    """Whether the event belongs to one of the topics: ``A.*`` or ``A.AAPL``."""
    held = topics if isinstance(topics, (frozenset, set)) else set(topics)
    return f"{event.channel}.*" in held or f"{event.channel}.{event.symbol}" in held


def _checked(connection: ServerConnection, request: Request) -> Response | None:
    if not _is_ours(request.headers.get_all("Origin"), request.headers.get_all("Host")):
        return connection.respond(HTTPStatus.FORBIDDEN, "web pages of another origin may not read this feed\n")
    if request.path.partition("?")[0].rstrip("/") == PATH:
        return None
    return connection.respond(HTTPStatus.NOT_FOUND, f"this feed is at {PATH}\n")


def _is_ours(origins: Sequence[str], hosts: Sequence[str]) -> bool:
    """Whether no web page asks, or one of this very address: some clients send an Origin of their own making. A name other
    than localhost does not count, as its owner may point it here."""
    if not origins:
        return True
    try:
        url = urlsplit(origins[0])
        name = url.hostname or ""
        if name != "localhost":
            ipaddress.ip_address(name)
    except ValueError:
        return False
    return len(origins) == 1 and [url.netloc.lower()] == [host.lower() for host in hosts]


def _parse(message: str | bytes) -> tuple[str, str]:
    """(action, params); empty words for what cannot be understood, which the vendor leaves unanswered."""
    try:
        request: Any = json.loads(message)
    except ValueError:
        return "", ""
    if not isinstance(request, dict):
        return "", ""
    return str(request.get("action", "")), str(request.get("params", ""))
