"""The vendor's WebSocket: connect, authenticate, subscribe, read; retry what can pass, stop at what cannot.

The vendor allows one connection, sends no replay after a reconnect, closes after a refused key without a close frame, and
may send `max_connections` at the greeting, after auth or after the subscription. Hence: backoff is reset by data only, and a
connection limit cools down before the next try, so that its server can reap the old session.
"""

from __future__ import annotations

import asyncio
import json
import logging
import random
import time
from collections.abc import Iterator, Sequence

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed, WebSocketException

from vendor import address, clock
from vendor.interface import FeedConfig, FeedRefused, Listener, Status
from vendor.massive.decode import decode
from vendor.massive.websocket import date_of, open_socket

log = logging.getLogger("tapewatch.feed")

ANSWER_S = 10.0  # greeting, auth and acks must come within this
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 30.0
COOL_DOWN_S = 30.0  # after max_connections
CLOSE_S = 0.5  # for the answer to our close frame
CLOCK_WARN_S = 2.0  # the Date header has whole seconds

#: Shorter ones are no keys but words such as "none".
_LEAST_KEY = 8
_LONGEST_TEXT = 300  # of the server's, in a log line or a gap's reason
_MOST_WARNINGS = 10  # about the statuses of one frame
_MAX_SUBSCRIBE_CHARS = 900_000  # the vendor takes a message of up to 1 MB
#: A frame whose beginning contains the word status is looked at whatever its size: many acknowledgements come in one.
_STATUS, _BEGINNING, _SHORT_FRAME = b'"status"', 64, 65_536


class Dropped(Exception):
    """This connection is over; `cool_down` asks for a long pause before the next."""

    def __init__(self, reason: str, cool_down: bool = False) -> None:
        super().__init__(reason)
        self.cool_down = cool_down


def _place(url: str) -> str:
    """The address as it may be shown. Raises FeedRefused for one that cannot be connected."""
    try:
        return address.shown(url, ("ws", "wss"))
    except ValueError:
        raise FeedRefused("the feed's URL is not a WebSocket URL (ws:// or wss://)") from None


def backoff() -> Iterator[float]:
    """Seconds to wait before each next try: doubling with jitter, capped."""
    base = FIRST_RETRY_S
    while True:
        yield base * random.uniform(0.6, 1.4)
        base = min(base * 2, LAST_RETRY_S)


class WebSocketFeed:
    """Holds the one connection and hands its frames to `listener`: see `vendor.interface.Feed`."""

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
        self.clock_offset_s: float | None = None

    async def run(self) -> None:
        """Reads until cancelled. Raises FeedRefused when trying again will not help, and what the listener raises."""
        place = _place(self._config.url)
        if address.exposes(self._config.url, self._config.key) and not self._config.allow_plaintext_key:
            raise FeedRefused(
                f"the key would go unencrypted to {place}: use wss://, or set TAPEWATCH_ALLOW_PLAINTEXT_KEY=true"
            )
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
            except (OSError, TimeoutError, WebSocketException) as error:
                reason, cool_down = f"cannot connect: {error or type(error).__name__}", False
            reason = self._masked(reason)[:_LONGEST_TEXT]
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
        asked = time.time()
        async with open_socket(self._config.url, ANSWER_S, CLOSE_S) as ws:
            self.connections += 1
            self.clock_offset_s = clock.offset_s(date_of(ws), asked, time.time())
            self._warn_of_clock()
            try:
                await self._talk(ws)
            finally:
                # Whatever the reason, with the code of an ordinary end: the vendor then frees the one connection at once.
                await ws.close()

    def _warn_of_clock(self) -> None:
        offset = self.clock_offset_s
        if offset is not None and abs(offset) > CLOCK_WARN_S:
            log.warning(
                "this machine's clock is %.0f s %s the feed's; one that is behind rejects live bars: synchronise it "
                "(timedatectl set-ntp true)",
                abs(offset), "behind" if offset > 0 else "ahead of",
            )  # fmt: skip

    async def _talk(self, ws: ClientConnection) -> None:
        greeting = await self._await_status(ws, "connected", "greeting")
        await self._listener.greeted(greeting.market[:_LONGEST_TEXT])
        await ws.send(json.dumps({"action": "auth", "params": self._config.key}))
        await self._await_status(ws, "auth_success", "authentication")
        await self._subscribe(ws)
        watch = asyncio.create_task(self._watch(ws))
        try:
            await self._read(ws)
        finally:
            watch.cancel()

    async def _await_status(self, ws: ClientConnection, expected: str, what: str) -> Status:
        try:
            async with asyncio.timeout(ANSWER_S):
                while True:
                    statuses = decode(await ws.recv(decode=False)).statuses
                    self._judge(statuses)
                    for status in statuses:
                        if status.word == expected:
                            return status
        except TimeoutError:
            raise Dropped(f"no {what} within {ANSWER_S:g} s") from None

    async def _subscribe(self, ws: ClientConnection) -> None:
        topics = self._config.subscription.topics
        self._unacked = set(topics)
        self._unauthorized = 0
        message = ""
        for topic in topics:
            if message and len(message) + len(topic) > _MAX_SUBSCRIBE_CHARS:
                await ws.send(json.dumps({"action": "subscribe", "params": message}))
                message = ""
            message = f"{message},{topic}" if message else topic
        await ws.send(json.dumps({"action": "subscribe", "params": message}))

    async def _read(self, ws: ClientConnection) -> None:
        self._last_frame = time.monotonic()
        self.is_connected = True
        self._listener.connected()
        log.info("connected to %s, subscribing %s", _place(self._config.url), _short(self._config.subscription.topics))
        while True:
            frame = await ws.recv(decode=False)
            self._last_frame = time.monotonic()
            # Looking for the word is far cheaper than decoding twice.
            if _STATUS in (frame if len(frame) < _SHORT_FRAME else frame[:_BEGINNING]):
                found = decode(frame)
                self._judge(found.statuses)
                if found.statuses and len(found.statuses) == found.events:
                    continue
            if self._frames == 0:
                self._delays = backoff()
            self._frames += 1
            self._listener.frame(frame)

    def _judge(self, statuses: Sequence[Status]) -> None:
        """Acts on the status messages of a frame. Raises FeedRefused or Dropped where the connection is of no use."""
        warnings = 0
        for word, message, _ in statuses:
            if word == "success":
                self._unacked.discard(message[-_LONGEST_TEXT:].rpartition(":")[2].strip())
            elif word not in ("connected", "auth_success"):
                warnings += 1
                self._judge_warning(word[:_LONGEST_TEXT], message, logged=warnings <= _MOST_WARNINGS)
        if warnings > _MOST_WARNINGS:
            log.warning("%d more warnings of the feed in the same frame", warnings - _MOST_WARNINGS)

    def _judge_warning(self, word: str, message: str, logged: bool) -> None:
        if word == "auth_failed":
            raise FeedRefused(f"the feed refuses the key: {self._shortened(message) or word}")
        if word == "max_connections":
            text = self._shortened(message).strip()
            raise Dropped(f"connection limit: {text} Another client is using this key", cool_down=True)
        if word in ("auth_timeout", "force_disconnect", "slow_consumer"):
            raise Dropped(f"{word}: {self._shortened(message)}")
        if logged:
            log.warning("the feed sends a warning, %s: %s", self._masked(word), self._shortened(message))
        if word == "error" and "not authorized" in message[:_LONGEST_TEXT]:
            # It names no topic: only when every topic was refused is the plan surely without this feed.
            self._unauthorized += 1
            topics = self._config.subscription.topics
            if self._unauthorized >= len(topics):
                raise FeedRefused(f"the plan of this key does not include {_short(topics)}: {self._shortened(message)}")

    def _shortened(self, text: str) -> str:
        """The server's text, masked before it is cut, so that no part of the key is left at the end."""
        return self._masked(text)[:_LONGEST_TEXT]

    def _masked(self, text: str) -> str:
        """The server's text without the key, should it quote it."""
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
                log.warning("no frame for %.0f s: closing the connection and connecting again", now - self._last_frame)
                ws.transport.abort()
                return


def _closing(closed: ConnectionClosed) -> str:
    if closed.rcvd is None:
        return "connection lost without a close frame"
    return f"server closed the connection: {closed.rcvd.code} {closed.rcvd.reason}".rstrip()


def _short(topics: tuple[str, ...]) -> str:
    shown = ", ".join(topics[:5])
    return shown if len(topics) <= 5 else f"{shown} and {len(topics) - 5} more"
