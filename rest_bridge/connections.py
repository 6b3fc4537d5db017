"""What open connections hold, and who gives way when that is too much: one client cannot take what all others need."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from rest_bridge.config import Limits


class Connection(Protocol):
    """`abort` ends it at once, whatever it waits for."""

    @property
    def address(self) -> str: ...

    def abort(self) -> None: ...


class Connections:
    """The open connections of a server, those of them that wait for a request, and the bytes that are being sent."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._open: set[Connection] = set()
        self._of_address: Counter[str] = Counter()
        self._waiting: dict[Connection, None] = {}  # the one that waits for longest is first
        self._sending: dict[Connection, int] = {}  # bytes, in the order in which sending began
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Counts a new connection. At the limit of its address, or of all, the one that has waited for its request for
        longest is ended in its place; where none waits the answer is False, and the new one is to be closed."""
        address = connection.address
        exempt = address in self._limits.trusted_proxies
        if not exempt and self._of_address[address] >= self._limits.connections_per_address:
            if not self._end(next((c for c in self._waiting if c.address == address), None)):
                return False
        elif len(self._open) >= self._limits.connections and not self._end(next(iter(self._waiting), None)):
            return False
        self._open.add(connection)
        self._of_address[address] += 1
        return True

    def remove(self, connection: Connection) -> None:
        """Forgets a connection; one that is not known is ignored."""
        if connection in self._open:
            self._open.remove(connection)
            self._of_address[connection.address] -= 1
            if not self._of_address[connection.address]:
                del self._of_address[connection.address]
        self._waiting.pop(connection, None)

    def _end(self, connection: Connection | None) -> bool:
        if connection is None:
            return False
        self.remove(connection)
        connection.abort()
        return True

    @contextmanager
    def waiting(self, connection: Connection) -> Iterator[None]:
        """While a whole request is awaited."""
        self._waiting[connection] = None
        try:
            yield
        finally:
            self._waiting.pop(connection, None)

    @contextmanager
    def sending(self, connection: Connection, size: int) -> Iterator[None]:
        """While so many bytes are sent. When the total is too high, the address with most of them gives way: its
        oldest answers are cut off."""
        self._sending[connection] = size
        self._bytes += size
        while self._bytes > self._limits.in_flight_bytes and self._sending:
            self._cut(self._largest())
        try:
            yield
        finally:
            self._bytes -= self._sending.pop(connection, 0)

    def _largest(self) -> Connection:
        of_address: Counter[str] = Counter()
        for connection, size in self._sending.items():
            of_address[connection.address] += size
        address = max(of_address, key=of_address.__getitem__)
        return next(c for c in self._sending if c.address == address)

    def _cut(self, connection: Connection) -> None:
        self._bytes -= self._sending.pop(connection)
        connection.abort()

    def end_waiting(self) -> None:
        """Ends the connections on which nothing has been asked."""
        for connection in list(self._waiting):
            self._end(connection)
