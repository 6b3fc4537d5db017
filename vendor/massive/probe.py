"""One try of a feed for `tapewatch doctor`: TCP, TLS, WebSocket, the greeting, and the key if it is to be sent."""

from __future__ import annotations

import asyncio
import json
import time

from websockets.asyncio.client import ClientConnection
from websockets.exceptions import InvalidHandshake, WebSocketException

from vendor import address, clock
from vendor.interface import Probe
from vendor.massive.decode import decode
from vendor.massive.websocket import date_of, open_socket

CLOSE_S = 0.5


def probe(url: str, key: str, timeout_s: float, allow_plaintext_key: bool = False) -> Probe:
    """Connects once; sends the key only if it is not empty, which may cost a running ingest its one connection."""
    try:
        address.shown(url, ("ws", "wss"))
    except ValueError as error:
        return Probe(f"cannot be connected: {error}")
    if address.exposes(url, key) and not allow_plaintext_key:
        return Probe("would get the key unencrypted: use wss://, or set TAPEWATCH_ALLOW_PLAINTEXT_KEY=true")
    return asyncio.run(_probe(url, key, timeout_s))


async def _probe(url: str, key: str, timeout_s: float) -> Probe:
    asked = time.time()
    try:
        async with open_socket(url, timeout_s, CLOSE_S) as ws:
            offset = clock.offset_s(date_of(ws), asked, time.time())
            async with asyncio.timeout(timeout_s):
                error, market = await _awaited(ws, "connected", "greets with")
                if not error and key:
                    await ws.send(json.dumps({"action": "auth", "params": key}))
                    error, _ = await _awaited(ws, "auth_success", "answers the key with")
            return Probe(error, offset, market)
    except InvalidHandshake as failed:
        return Probe(f"rejects the WebSocket: {failed}")
    except TimeoutError:
        return Probe(f"does not answer within {timeout_s:g} s")
    except (OSError, WebSocketException) as failed:
        return Probe(f"cannot be reached: {failed}")


async def _awaited(ws: ClientConnection, expected: str, what: str) -> tuple[str, str]:
    """(empty where the next frame is the expected status, else what came instead; the market that it names)."""
    frame = await ws.recv(decode=False)
    statuses = {status.word: status.market for status in decode(frame).statuses}
    if expected in statuses:
        return "", statuses[expected]
    return f"{what} {next(iter(statuses))[:40] if statuses else repr(frame[:40])}", ""
