"""What both servers share: listening, working until a signal or a deadline, and closing cleanly."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable

from simulator.protocol import PATH, Feed


class CannotListen(OSError):
    """The address is taken or not ours; the text is one line for the user."""


async def serve_until_stopped(
    feed: Feed,
    host: str,
    port: int,
    announce: Callable[[str], None],
    work: Awaitable[None],
    duration_s: float | None = None,
) -> None:
    """Listens, announces the URL, and works until SIGTERM, SIGINT or the deadline; then every connection gets a close frame.

    Raises CannotListen, and whatever `work` raises.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    working = asyncio.ensure_future(work)
    try:
        server = await feed.serve(host, port)
    except OSError as error:
        working.cancel()
        raise CannotListen(f"cannot listen on {host}:{port}: {error.strerror or error}") from None
    shown = f"[{host}]" if ":" in host else host
    announce(f"ws://{shown}:{server.sockets[0].getsockname()[1]}{PATH}")
    working.add_done_callback(lambda done: stop.set() if done.cancelled() or done.exception() else None)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(duration_s):
            await stop.wait()
    working.cancel()
    await asyncio.gather(*(client.flushed() for client in list(feed.clients)))
    server.close()
    await server.wait_closed()
    with contextlib.suppress(asyncio.CancelledError):
        await working
