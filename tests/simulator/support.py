"""What the simulator's tests share: a raw client, servers in this process, and the tape's rules written down plainly."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from market.sessions import day_of
from simulator.protocol import Feed
from simulator.replay import Replayer
from simulator.server import Plan, Simulator

Body = dict[str, Any]


class Tap:
    """A client that keeps everything: frames as they came, statuses, events."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection
        self.frames: list[str | bytes] = []
        self.statuses: list[Body] = []
        self.events: list[Body] = []
        self.closed: ConnectionClosed | None = None
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        try:
            while True:
                frame = await self.connection.recv()
                self.frames.append(frame)
                with contextlib.suppress(ValueError, TypeError, AttributeError):
                    for body in json.loads(frame):
                        (self.statuses if body.get("ev") == "status" else self.events).append(body)
        except ConnectionClosed as error:
            self.closed = error

    async def send(self, action: str, params: str) -> None:
        await self.connection.send(json.dumps({"action": action, "params": params}))

    async def until(self, true: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
        return await until(true, f"{what} (statuses {self.statuses[-3:]}, closed {self.closed})", seconds)

    async def status(self, word: str, seconds: float = 20.0) -> Body:
        found = await self.until(lambda: [s for s in self.statuses if s["status"] == word], f"status {word}", seconds)
        return dict(found[0])

    def of(self, channel: str) -> list[Body]:
        return [body for body in self.events if body.get("ev") == channel]

    async def end(self, seconds: float = 20.0) -> ConnectionClosed:
        """How the server ended the connection."""
        await self.until(lambda: self.closed, "the end of the connection", seconds)
        assert self.closed
        return self.closed


async def until(true: Callable[[], Any], what: str, seconds: float = 20.0) -> Any:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if value := true():
            return value
        await asyncio.sleep(0.005)
    raise AssertionError(f"{what}: not within {seconds:g} s")


@contextlib.asynccontextmanager
async def tapped(port: int, *topics: str, key: str = "any", path: str = "/stocks") -> AsyncIterator[Tap]:
    """A client that has greeted, authenticated and subscribed (with topics; without any it has only connected)."""
    async with connect(f"ws://127.0.0.1:{port}{path}", max_size=None, compression=None, close_timeout=1) as connection:
        tap = Tap(connection)
        if topics:
            await tap.status("connected")
            await tap.send("auth", key)
            await tap.status("auth_success")
            await tap.send("subscribe", ",".join(topics))
            await tap.status("success")
        yield tap


@contextlib.asynccontextmanager
async def feeding(feed: Feed, *work: Any) -> AsyncIterator[int]:
    """The port of a feed that is served, with its work going on."""
    server = await feed.serve("127.0.0.1", 0)
    tasks = [asyncio.create_task(part) for part in work]
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in tasks:
            task.cancel()
        server.close()
        await server.wait_closed()
        for task in tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task


@contextlib.asynccontextmanager
async def simulating(plan: Plan) -> AsyncIterator[tuple[Simulator, int]]:
    simulator = Simulator(plan)
    async with feeding(simulator.feed, simulator.perform()) as port:
        yield simulator, port
    simulator.truth.close()


@contextlib.asynccontextmanager
async def replaying(replayer: Replayer) -> AsyncIterator[int]:
    async with feeding(replayer.feed, replayer.replay()) as port:
        yield port


_NOTHING = {15, 16}
_VOLUME_ONLY = {2, 7, 13, 20, 21, 29, 37, 52, 53}
_NO_OPEN_CLOSE = {5, 10, 22, 32, 33}


def tape_bars(trades: Iterable[Body]) -> dict[tuple[str, int], Body]:
    """Second bars by (symbol, start) of ``T`` events by the tape's rules, the slow and plain way. Prices in real numbers;
    without open and close where no print set them."""
    seconds: dict[tuple[str, int], list[Body]] = defaultdict(list)
    for trade in trades:
        seconds[trade["sym"], trade["t"] // 1000 * 1000].append(trade)
    bars = {}
    for (symbol, start), prints in seconds.items():
        bar: Body = {"v": 0, "n": 0.0}
        day = day_of(start)
        regular = day.regular_open <= start < day.regular_close
        for p in sorted(prints, key=lambda p: (p["t"], p["q"])):
            codes = set(p.get("c", ()))
            if codes & _NOTHING:
                continue
            bar["v"] += p["s"]
            bar["n"] += p["s"] * p["p"]
            if codes & _VOLUME_ONLY or (12 in codes and regular):
                continue
            bar["h"], bar["l"] = max(bar.get("h", p["p"]), p["p"]), min(bar.get("l", p["p"]), p["p"])
            if not codes & _NO_OPEN_CLOSE:
                bar.setdefault("o", p["p"])
                bar["c"] = p["p"]
        bars[symbol, start] = bar
    return bars
