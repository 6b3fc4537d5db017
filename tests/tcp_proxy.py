"""A TCP proxy of a test's own: where new connections go can be changed, and those that there are can be made dead.

A dead connection is what a firewall leaves that forgot it: bytes vanish, nothing is closed, new connections work.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType


class TcpProxy:
    """Listens on loopback and passes on to `target`, a port of loopback too."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.accepted = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket, threading.Event]] = []
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}"

    def black_hole(self) -> int:
        """Makes the connections that there are dead; how many."""
        with self._lock:
            living = [dead for _, _, dead in self._pairs if not dead.is_set()]
        for dead in living:
            dead.set()
        return len(living)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self.target), 5)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            dead = threading.Event()
            with self._lock:
                self.accepted += 1
                self._pairs.append((client, server, dead))
            for a, b in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(a, b, dead), daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, target: socket.socket, dead: threading.Event) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65_536):
                if not dead.is_set():
                    target.sendall(data)
        if not dead.is_set():
            for end in (source, target):
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> TcpProxy:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self._listener.close()
        with self._lock:
            for client, server, _ in self._pairs:
                client.close()
                server.close()
