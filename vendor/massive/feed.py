"""The vendor's WebSocket: connect, authenticate, subscribe, read; retry what can pass, stop at what cannot.

The vendor allows one connection, sends no replay after a reconnect, closes after a refused key without a close frame, and
may say `max_connections` at the greeting, after auth or after the subscription. Hence: backoff is reset by data only, and a
connection limit cools down before the next try, so that its server can reap the old session.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from market.symbols import is_symbol
from vendor.massive.decode import Status, decode

log = logging.getLogger("tapewatch.feed")

#: Frames may be this large: a burst at the open comes as one frame of many events.
MAX_FRAME_BYTES = 16 * 1024 * 1024
CHANNELS = ("A", "AM", "T", "LULD")

ANSWER_S = 10.0  # greeting, auth and acks must come within this
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
COOL_DOWN_S = 30.0  # after max_connections
PING_S = 10.0
CLOSE_S = 0.5  # for the answer to our close frame

#: Shorter ones are no keys but words such as "none".
_LEAST_KEY = 8
_LONGEST_WORDS = 300  # of the server's, in a log line or a gap's reason
_MAX_SUBSCRIBE_CHARS = 900_000  # the vendor takes a message of up to 1 MB
#: A frame whose beginning says status is looked at whatever its size: many acknowledgements come in one.
_STATUS, _BEGINNING, _SHORT_FRAME = b'"status"', 64, 65_536


class Refused(Exception):
    """Trying again will not help: a refused key, a plan without the feed, a topic that cannot be."""


class Dropped(Exception):
    """This connection is over; `cool_down` asks for a long pause before the next."""

    def __init__(self, reason: str, cool_down: bool = False) -> None:
        super().__init__(reason)
        self.cool_down = cool_down


class Listener(Protocol):
    """Who takes the frames, and is told of the connection's fate."""

    def frame(self, frame: bytes) -> None: ...
    def connected(self) -> None: ...
    def disconnected(self, reason: str) -> None: ...


@dataclass(frozen=True)
class FeedConfig:
    """Where and what: `topics` such as ``A.*`` or ``T.BRK.B``."""

    url: str
    key: str
    topics: tuple[str, ...]
    stall_after_s: float = 30.0


def parse_topics(text: str) -> tuple[str, ...]:
    """The topics of a comma list, each once. Raises Refused for one the daemon cannot use (the server would keep silent)."""
    topics = list(dict.fromkeys(part.strip() for part in text.split(",") if part.strip()))
    for topic in topics:
        channel, _, symbol = topic.partition(".")
        if channel not in CHANNELS or not (symbol == "*" or is_symbol(symbol)):
            raise Refused(
                f"{topic[:40]!r} cannot be subscribed: write A.*, AM.AAPL, T.BRK.B or LULD.* (channels {' '.join(CHANNELS)})"
            )
    if not topics:
        raise Refused("nothing to subscribe: TAPEWATCH_SUBSCRIBE is empty")
    return tuple(topics)


def _place(url: str) -> str:
    """The address as it may be shown: without user, password and query. Raises Refused for one that cannot be."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
        fits = parts.scheme in ("ws", "wss") and host.encode("idna")
    except ValueError:
        fits = False
    if not fits:
        raise Refused("the feed's URL is not a WebSocket URL (ws:// or wss://)")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path}"


def backoff() -> Iterator[float]:
    """Seconds to wait before each next try: doubling with jitter, capped."""
    base = FIRST_RETRY_S
    while True:
        yield base * random.uniform(0.6, 1.4)
        base = min(base * 2, LAST_RETRY_S)


class Feed:
    """Holds the one connection and hands its frames to `listener`."""

    def __init__(self, config: FeedConfig, listener: Listener) -> None:
        self._config = config
        self._listener = listener
        self._delays = backoff()
        self._last_frame = 0.0
        self._frames = 0  # data frames of this connection
        self._unacked: set[str] = set()
        self._unauthorized = 0
        self.connections = 0
        self.is_connected = False

    async def run(self) -> None:
        """Reads until cancelled. Raises Refused when trying again will not help."""
        _place(self._config.url)
        while True:
            try:
                await self._one_connection()
                reason, cool_down = "ended", False
            except asyncio.CancelledError:
                self._gone("stopped")
                raise
            except Dropped as dropped:
                reason, cool_down = str(dropped), dropped.cool_down
            except ConnectionClosed as closed:
                reason, cool_down = _closing(closed), False
            except (OSError, TimeoutError, InvalidHandshake) as error:
                reason, cool_down = f"cannot connect: {error or type(error).__name__}", False
            reason = self._hushed(reason)
            self._gone(reason)
            delay = COOL_DOWN_S * random.uniform(1.0, 1.3) if cool_down else next(self._delays)
            log.warning("%s; next try in %.1f s", reason, delay)
            await asyncio.sleep(delay)

    def _gone(self, reason: str) -> None:
        if self.is_connected:
            self.is_connected = False
            self._listener.disconnected(reason)

    async def _one_connection(self) -> None:
        self._frames = 0
        async with connect(
            self._config.url, max_size=MAX_FRAME_BYTES, compression=None, open_timeout=ANSWER_S, close_timeout=CLOSE_S,
            ping_interval=PING_S, ping_timeout=PING_S, max_queue=64, proxy=None,
        ) as ws:  # fmt: skip
            self.connections += 1
            try:
                await self._talk(ws)
            finally:
                # Whatever the reason, with the code of an ordinary end: the vendor then frees the one connection at once.
                await ws.close()

    async def _talk(self, ws: ClientConnection) -> None:
        await self._await_status(ws, "connected", "greeting")
        await ws.send(json.dumps({"action": "auth", "params": self._config.key}))
        await self._await_status(ws, "auth_success", "authentication")
        await self._subscribe(ws)
        watch = asyncio.create_task(self._watch(ws))
        try:
            await self._read(ws)
        finally:
            watch.cancel()

    async def _await_status(self, ws: ClientConnection, wanted: str, what: str) -> None:
        try:
            async with asyncio.timeout(ANSWER_S):
                come = False
                while not come:
                    for status in decode(await ws.recv(decode=False)).statuses:
                        come = come or status.word == wanted
                        self._judge(status)
        except TimeoutError:
            raise Dropped(f"no {what} within {ANSWER_S:g} s") from None

    async def _subscribe(self, ws: ClientConnection) -> None:
        self._unacked = set(self._config.topics)
        self._unauthorized = 0
        message = ""
        for topic in self._config.topics:
            if message and len(message) + len(topic) > _MAX_SUBSCRIBE_CHARS:
                await ws.send(json.dumps({"action": "subscribe", "params": message}))
                message = ""
            message = f"{message},{topic}" if message else topic
        await ws.send(json.dumps({"action": "subscribe", "params": message}))

    async def _read(self, ws: ClientConnection) -> None:
        self._last_frame = time.monotonic()
        self.is_connected = True
        self._listener.connected()
        log.info("connected to %s, subscribing %s", _place(self._config.url), _short(self._config.topics))
        while True:
            frame = await ws.recv(decode=False)
            self._last_frame = time.monotonic()
            # Looking for the word is far cheaper than decoding twice.
            if _STATUS in (frame if len(frame) < _SHORT_FRAME else frame[:_BEGINNING]):
                found = decode(frame)
                for status in found.statuses:
                    self._judge(status)
                if found.statuses and len(found.statuses) == found.events:
                    continue
            if self._frames == 0:
                self._delays = backoff()
            self._frames += 1
            self._listener.frame(frame)

    def _judge(self, status: Status) -> None:
        """Acts on one status message. Raises Refused or Dropped where the connection is of no use."""
        word, text = status.word[:_LONGEST_WORDS], self._hushed(status.message)[:_LONGEST_WORDS]
        if word == "success":
            self._unacked.discard(text.rpartition(":")[2].strip())
            return
        if word in ("connected", "auth_success"):
            return
        if word == "auth_failed":
            raise Refused(f"the feed refuses the key: {text or word}")
        if word == "max_connections":
            raise Dropped(f"connection limit: {text.strip()} Another client is using this key", cool_down=True)
        if word in ("auth_timeout", "force_disconnect", "slow_consumer"):
            raise Dropped(f"{word}: {text}")
        log.warning("feed says %s: %s", word, text)
        if word == "error" and "not authorized" in text:
            # It names no topic: only when every topic was refused is the plan surely without this feed.
            self._unauthorized += 1
            if self._unauthorized >= len(self._config.topics):
                raise Refused(f"the plan of this key does not include {_short(self._config.topics)}: {text}")

    def _hushed(self, text: str) -> str:
        """The server's words without the key, should it quote it."""
        return text.replace(self._config.key, "***") if len(self._config.key) >= _LEAST_KEY else text

    async def _watch(self, ws: ClientConnection) -> None:
        """Ends a connection that went silent though data was flowing, and names topics that were never acknowledged.

        Armed by data, so that a quiet night or the end of a replay costs one reconnect at most.
        """
        began = time.monotonic()
        warned = False
        while True:
            await asyncio.sleep(min(1.0, self._config.stall_after_s / 4))
            now = time.monotonic()
            if not warned and self._unacked and now - began > ANSWER_S:
                warned = True
                log.warning("no acknowledgement for %s; its data may never come", _short(tuple(sorted(self._unacked))))
            if self._frames and now - self._last_frame > self._config.stall_after_s:
                log.warning("no frame for %.0f s, connecting anew", now - self._last_frame)
                ws.transport.abort()
                return


def _closing(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "connection lost without a close frame"
    return f"server closed the connection: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()


def _short(topics: tuple[str, ...]) -> str:
    shown = ", ".join(topics[:5])
    return shown if len(topics) <= 5 else f"{shown} and {len(topics) - 5} more"
