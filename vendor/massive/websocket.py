"""How a connection to the vendor's WebSocket is opened, for the feed and for a probe of it."""

from __future__ import annotations

from websockets.asyncio.client import ClientConnection, connect

#: Frames may be this large: a burst at the open comes as one frame of many events.
MAX_FRAME_BYTES = 16 * 1024 * 1024
PING_S = 10.0


class _Connect(connect):
    """A redirect is followed nowhere: the key goes only to the address of the settings."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


def open_socket(url: str, open_timeout_s: float, close_timeout_s: float) -> connect:
    """``async with open_socket(...) as ws``. Raises OSError, TimeoutError and websockets' WebSocketException."""
    return _Connect(
        url, max_size=MAX_FRAME_BYTES, compression=None, open_timeout=open_timeout_s, close_timeout=close_timeout_s,
        ping_interval=PING_S, ping_timeout=PING_S, max_queue=64, proxy=None,
    )  # fmt: skip


def date_of(ws: ClientConnection) -> str | None:
    """The Date header of the server's handshake."""
    return ws.response.headers.get("Date") if ws.response is not None else None
