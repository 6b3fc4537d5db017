"""The vendor of our tests: a real WebSocket server with the feed's protocol and every documented fault."""

from __future__ import annotations

import asyncio
import contextlib
import json
import threading
from collections.abc import Awaitable, Callable, Iterable
from types import TracebackType
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

KEY = "the-key-of-the-tests"

CONNECTED = ("connected", "Connected Successfully")
AUTHENTICATED = ("auth_success", "authenticated")
REFUSED = ("auth_failed", "authentication failed")
NO_PLAN = ("auth_failed", "Your plan doesn't include websocket access. Visit https://massive.com/pricing to upgrade.")
TIMED_OUT = ("auth_timeout", "No authentication request received.")
NOT_AUTHORIZED = ("error", "not authorized")
LIMIT = ("max_connections", "Maximum number of websocket connections exceeded. ")


def status(*pairs: tuple[str, str], market: str = "") -> str:
    """One frame of status messages; `market` as a server of ours names it in its greeting."""
    more = {"market": market} if market else {}
    return json.dumps([{"ev": "status", "status": word, "message": text, **more} for word, text in pairs])


def second_bar(symbol: str, t: int, close: float = 100.0, volume: float = 10, **more: Any) -> dict[str, Any]:
    """One `A` event; all its prices are `close` by default."""
    return {
        "ev": "A", "sym": symbol, "v": volume, "vw": close, "o": close, "c": close, "h": close, "l": close,
        "s": t, "e": t + 1000, **more,
    }  # fmt: skip


class Vendor:
    """A server in the running loop: ``async with Vendor() as vendor``.

    `faults` maps a moment (greeting, auth, ack) to statuses that are sent there in place of the good answer, once per
    connection in turn; a connection beyond the list gets the good answer. After a fault the socket is ended as the vendor
    does: without a close frame after auth_failed, with 1008 otherwise.
    """

    def __init__(self, key: str = KEY, port: int = 0) -> None:
        self.key = key
        self.faults: dict[str, list[tuple[str, str]]] = {"greeting": [], "auth": [], "ack": []}
        self.mute_at: str | None = None  # from this state on it sends nothing
        self.unauthorized: set[str] = set()  # topics that the plan does not include
        self.unknown: set[str] = set()  # topics that are met with silence
        self.acks_in_one_frame = True
        self.market = ""
        self.connections = 0
        self.keys: list[str] = []
        self.topics: list[str] = []
        self.messages: list[int] = []  # sizes of the subscribe messages
        self.open: list[ServerConnection] = []  # subscribed ones
        self.ends: list[int | None] = []  # the client's close code of each ended connection, None without a close frame
        self._port = port
        self._server: Server | None = None

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self._port}/stocks"

    async def __aenter__(self) -> Vendor:
        self._server = await serve(
            self._serve,
            "127.0.0.1",
            self._port,
            compression=None,
            max_size=2**24,
            close_timeout=0.2,
            ping_interval=None,
        )
        self._port = next(iter(self._server.sockets)).getsockname()[1]
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, tb: TracebackType | None) -> None:
        assert self._server is not None
        for ws in list(self._server.connections):
            ws.transport.abort()
        self._server.close()
        await self._server.wait_closed()

    # --- the protocol

    async def _serve(self, ws: ServerConnection) -> None:
        self.connections += 1
        try:
            if self.mute_at == "greeting":
                await ws.wait_closed()
            elif await self._answer(ws, "greeting", status(CONNECTED, market=self.market)):
                await self._listen(ws)
        except ConnectionClosed:
            pass
        finally:
            if ws in self.open:
                self.open.remove(ws)
            self.ends.append(ws.protocol.close_rcvd.code if ws.protocol.close_rcvd else None)

    async def _listen(self, ws: ServerConnection) -> None:
        async for text in ws:
            asked = json.loads(text)
            if asked["action"] == "auth":
                self.keys.append(asked["params"])
                if self.mute_at == "auth":
                    continue
                if asked["params"] != self.key:
                    self.faults["auth"].insert(0, REFUSED)
                if not await self._answer(ws, "auth", status(AUTHENTICATED)):
                    return
            elif asked["action"] == "subscribe":
                self.messages.append(len(text))
                await self._subscribe(ws, [topic.strip() for topic in asked["params"].split(",")])
                if self.faults["ack"] and not await self._answer(ws, "ack", ""):
                    return

    async def _answer(self, ws: ServerConnection, moment: str, good: str) -> bool:
        if not self.faults[moment]:
            await ws.send(good)
            return True
        fault = self.faults[moment].pop(0)
        await ws.send(status(fault))
        if fault[0] == "auth_failed":
            await asyncio.sleep(0.02)  # an abort at once would take the message along
            ws.transport.abort()
        else:
            await ws.close(1008)
        return False

    async def _subscribe(self, ws: ServerConnection, topics: list[str]) -> None:
        self.topics += topics
        # The error names no topic and comes before the acknowledgements of the others.
        for _ in [t for t in topics if t in self.unauthorized]:
            await ws.send(status(NOT_AUTHORIZED))
        good = [("success", f"subscribed to: {t}") for t in topics if t not in self.unauthorized | self.unknown]
        for frame in [good] if self.acks_in_one_frame and good else [[one] for one in good]:
            await ws.send(status(*frame))
        self.open.append(ws)

    # --- on demand

    async def send(self, *events: dict[str, Any]) -> None:
        """One frame to everyone who subscribed."""
        await self.send_text(json.dumps(events))

    async def send_text(self, text: str | bytes) -> None:
        for ws in list(self.open):
            with contextlib.suppress(ConnectionClosed):
                await ws.send(text)

    async def drop(self) -> None:
        """Ends the connections without a close frame."""
        for ws in list(self.open):
            ws.transport.abort()

    async def close(self, code: int = 1000, reason: str = "") -> None:
        for ws in list(self.open):
            await ws.close(code, reason)

    async def stall(self) -> None:
        """Neither reads nor answers a ping from now on, but keeps the connections."""
        for ws in list(self.open):
            ws.transport.pause_reading()
            self.open.remove(ws)


class VendorThread:
    """A `Vendor` on a thread of its own, for tests of whole processes: ``with VendorThread() as thread: thread.vendor``."""

    def __init__(self, **options: Any) -> None:
        self.vendor = Vendor(**options)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> VendorThread:
        self._thread.start()
        self.call(self.vendor.__aenter__)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.call(lambda: self.vendor.__aexit__(None, None, None))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._loop.close()

    def call(self, act: Callable[[], Awaitable[Any]]) -> Any:
        async def run() -> Any:
            return await act()

        return asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    def send(self, events: Iterable[dict[str, Any]]) -> None:
        frame = list(events)
        self.call(lambda: self.vendor.send(*frame))
