"""How often one client may ask: a token bucket for each remote address, in a table that cannot grow."""

from __future__ import annotations

import socket
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from flask import Flask, request

from rest_bridge.errors import ApiError

#: Addresses remembered; the longest silent one is forgotten first, and starts again with a full bucket.
CLIENTS = 10_000
#: An IPv6 client owns a network of this many bytes (/64), so its addresses count as one.
_NETWORK_BYTES = 8


#: Rows that one request's worth of the limit pays for.
ROWS_A_REQUEST = 5_000


def cost(rows: int) -> float:
    """What a request of at most so many rows (symbols times rows) costs: 1 up to ROWS_A_REQUEST, then in proportion."""
    return max(1.0, rows / ROWS_A_REQUEST)


class RateLimiter:
    """`per_second` requests of each client, and as many at once (at least one). What a request costs beyond one is charged when
    that is known: a client may get into debt, and is refused until it is paid. Threads may share it."""

    def __init__(self, per_second: float, clients: int = CLIENTS, now: Callable[[], float] = time.monotonic) -> None:
        self._rate = per_second
        self._burst = max(1.0, per_second)
        self._clients = clients
        self._now = now
        self._buckets: OrderedDict[str | bytes, tuple[float, float]] = OrderedDict()  # (tokens, at)
        self._lock = threading.Lock()

    def wait(self, address: str) -> float:
        """0.0 and a token taken, or, where there is none, the seconds until there will be one."""
        client = _client(address)
        now = self._now()
        with self._lock:
            tokens, at = self._buckets.get(client, (self._burst, now))
            tokens = min(self._burst, tokens + (now - at) * self._rate)
            granted = tokens >= 1.0
            self._buckets[client] = (tokens - granted, now)
            self._buckets.move_to_end(client)
            if len(self._buckets) > self._clients:
                self._buckets.popitem(last=False)
        return 0.0 if granted else (1.0 - tokens) / self._rate

    def charge(self, address: str, tokens: float) -> None:
        """Takes so many tokens more of a client that was let in."""
        client = _client(address)
        with self._lock:
            left, at = self._buckets.get(client, (self._burst, self._now()))
            self._buckets[client] = (left - tokens, at)

    def __len__(self) -> int:
        """Clients remembered."""
        return len(self._buckets)


def _client(address: str) -> str | bytes:
    return _network(address) if ":" in address else address


def _network(address: str) -> str | bytes:
    try:
        raw = socket.inet_pton(socket.AF_INET6, address.partition("%")[0])
    except OSError:
        return address
    return address if raw.startswith(b"\0" * 10 + b"\xff\xff") else raw[:_NETWORK_BYTES]


def register(app: Flask, limiter: RateLimiter, per_second: float, unlimited: frozenset[str]) -> None:
    """Answers 429 above the limit, before any other work; paths in `unlimited` have no limit."""

    @app.before_request
    def limit() -> None:
        if request.path in unlimited:
            return
        seconds = limiter.wait(request.remote_addr or "")
        if seconds:
            raise ApiError(
                429,
                "too_many_requests",
                f"more than {per_second:g} requests a second from one address (5,000 rows count as one)",
                retry_after_s=seconds,
            )
