"""Clients that are slow or vanish, in every way that a connection knows: each plays one of `KINDS` and is gone."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import struct
from collections.abc import Awaitable, Callable, Sequence
from urllib.parse import quote

#: Where they come from; others ask from 127.0.0.1.
ADDRESS = "127.0.0.9"
#: How long one stays at most, seconds.
STAYS_S = 4.0
_BETWEEN_DROPS_S = 0.05

Kind = Callable[[socket.socket, random.Random, bytes], Awaitable[None]]


def requests(symbols: Sequence[str], token: str) -> list[bytes]:
    """What they ask: cheap and costly questions, as they go over the wire."""
    many = quote(",".join(symbols))
    paths = (
        "/healthz", "/openapi.json", "/api/v1/symbols", f"/api/v1/candles?symbol={symbols[0]}",
        f"/api/v1/candles?symbol={many}&timeframe=45s&from=-1h", f"/api/v1/candles?symbol={many}&timeframe=1s&from=-2h",
        f"/api/v1/indicators?symbol={many}&timeframe=1s&from=-1h&names=sma:20,bbands:20:2,macd:12:26:9",
        f"/api/v1/velocity?symbol={many}&from=-1h", "/api/v1/movers?by=volume",
    )  # fmt: skip
    return [f"GET {p} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\n\r\n".encode() for p in paths]


async def _send(sock: socket.socket, data: bytes) -> None:
    await asyncio.get_running_loop().sock_sendall(sock, data)


async def _drip(sock: socket.socket, data: bytes) -> None:
    for i in range(len(data)):
        await _send(sock, data[i : i + 1])
        await asyncio.sleep(_BETWEEN_DROPS_S)


async def silent(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Connects and sends nothing."""
    await asyncio.sleep(STAYS_S)


async def drips_head(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Sends its request byte by byte."""
    await _drip(sock, request)


async def drips_body(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Announces a body, which comes byte by byte."""
    size = chance.choice((1, 60_000, 1 << 40))
    head = b"PUT /api/v1/watchlists/w HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    await _send(sock, head + b"Content-Length: %d\r\n\r\n" % size)
    await _drip(sock, b"x" * 1_000)


async def reads_nothing(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Asks again and again and leaves the answers where they are."""
    await _send(sock, request * chance.choice((1, 5, 50)))
    await asyncio.sleep(STAYS_S)


async def reads_drops(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Reads its answer byte by byte."""
    await _send(sock, request)
    while await asyncio.get_running_loop().sock_recv(sock, 1):
        await asyncio.sleep(_BETWEEN_DROPS_S)


async def vanishes(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Asks, whole or in part, and is gone at once."""
    await _send(sock, request[: chance.choice((1, len(request) // 2, len(request) - 1, len(request), len(request)))])


async def vanishes_later(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Asks and is gone while its answer is being made or sent."""
    await _send(sock, request * chance.choice((1, 20)))
    await asyncio.sleep(chance.random() * 0.3)


async def resets(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Asks, reads the beginning of the answer and resets the connection."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    await _send(sock, request)
    if chance.random() < 0.5:
        await asyncio.get_running_loop().sock_recv(sock, 100)


async def half_closes(sock: socket.socket, chance: random.Random, request: bytes) -> None:
    """Asks, says that nothing more comes, and reads what it gets."""
    await _send(sock, request)
    sock.shutdown(socket.SHUT_WR)
    while await asyncio.get_running_loop().sock_recv(sock, 1 << 16):
        pass


KINDS: tuple[Kind, ...] = (
    silent, drips_head, drips_body, reads_nothing, reads_drops, vanishes, vanishes_later, resets, half_closes,
)  # fmt: skip


async def play(port: int, asked: Sequence[bytes], seed: int) -> None:
    """One client; which kind it is and what it asks follows from its seed. That it is refused or given up is no error."""
    chance = random.Random(seed)
    kind, request = chance.choice(KINDS), chance.choice(asked)
    with socket.socket() as sock, contextlib.suppress(OSError, TimeoutError):
        sock.setblocking(False)
        sock.bind((ADDRESS, 0))
        if chance.random() < 0.3:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2_048)
        async with asyncio.timeout(STAYS_S):
            await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", port))
            await kind(sock, chance, request)


async def play_many(port: int, asked: Sequence[bytes], number: int, at_once: int) -> None:
    """Clients of the seeds 0 to `number` - 1, `at_once` at a time."""
    seeds = iter(range(number))

    async def one_after_the_other() -> None:
        for seed in seeds:
            await play(port, asked, seed)

    await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))
