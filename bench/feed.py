"""A vendor's server that only blasts: any key, one subscriber, frames made beforehand; in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import time
from collections.abc import Callable, Iterable, Sequence
from multiprocessing.connection import Connection
from typing import Any

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from bench.harness import free_port

#: A frame, and what is reported with the time at which it is sent (None: nothing).
Frame = tuple[bytes, Any]
Round = Callable[[], Iterable[Frame]]


def plain(frames: Iterable[bytes]) -> Round:
    """A round of frames without reports."""
    kept = list(frames)
    return lambda: ((frame, None) for frame in kept)


class FeedProcess:
    """Serves ws://127.0.0.1:<port>/stocks; `play(i)` sends round i to the subscriber, at full speed or paced."""

    def __init__(self, rounds: Sequence[Round]) -> None:
        self.port = free_port()
        # A fork: the rounds are there without being copied through a pipe.
        context = multiprocessing.get_context("fork")
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(self.port, rounds, theirs), daemon=True)
        self._process.start()
        theirs.close()
        self._expect("listening")

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/stocks"

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def _expect(self, word: str, seconds: float = 30.0) -> None:
        if not self.pipe.poll(seconds) or self.pipe.recv() != (word, 0):
            raise RuntimeError(f"the feed of the bench did not report {word!r} within {seconds:g} s")

    def begin(self, number: int, frames_per_second: float = 0.0) -> None:
        """Round `number` is sent once a client is subscribed; `sent` or the pipe reports the end."""
        self.pipe.send((number, frames_per_second))

    def sent(self, seconds: float) -> None:
        """Waits until the round is sent."""
        self._expect("sent", seconds)

    def close(self) -> None:
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def __enter__(self) -> FeedProcess:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _serve(port: int, rounds: Sequence[Round], pipe: Connection) -> None:
    with contextlib.suppress(KeyboardInterrupt, EOFError, OSError, ConnectionClosed):
        asyncio.run(_Server(rounds, pipe).run(port))
    os._exit(0)


class _Server:
    def __init__(self, rounds: Sequence[Round], pipe: Connection) -> None:
        self._rounds, self._pipe = rounds, pipe
        self._subscriber: asyncio.Future[ServerConnection] | None = None

    async def run(self, port: int) -> None:
        self._subscriber = asyncio.get_running_loop().create_future()
        async with serve(self._connected, "127.0.0.1", port, compression=None, ping_interval=None):
            self._pipe.send(("listening", 0))
            while True:
                number, frames_per_second = await asyncio.to_thread(self._pipe.recv)
                await self._play(self._rounds[number](), frames_per_second)
                self._pipe.send(("sent", 0))

    async def _play(self, frames: Iterable[Frame], frames_per_second: float) -> None:
        assert self._subscriber is not None
        connection = await self._subscriber
        began = time.monotonic()
        for i, (frame, label) in enumerate(frames):
            if frames_per_second:
                ahead = began + i / frames_per_second - time.monotonic()
                if ahead > 0:
                    await asyncio.sleep(ahead)
            if label is not None:
                self._pipe.send((label, time.time_ns()))
            await connection.send(frame, text=True)
            # A send into an empty buffer does not suspend: without this, pings wait for an answer until the daemon gives up.
            await asyncio.sleep(0)

    async def _connected(self, connection: ServerConnection) -> None:
        await connection.send(_status("connected", "Connected Successfully"))
        with contextlib.suppress(ConnectionClosed):
            async for message in connection:
                request = json.loads(message)
                if request["action"] == "auth":
                    await connection.send(_status("auth_success", "authenticated"))
                elif request["action"] == "subscribe":
                    for topic in request["params"].split(","):
                        await connection.send(_status("success", f"subscribed to: {topic}"))
                    assert self._subscriber is not None
                    if not self._subscriber.done():
                        self._subscriber.set_result(connection)


def _status(word: str, text: str) -> str:
    return json.dumps([{"ev": "status", "status": word, "message": text}])
