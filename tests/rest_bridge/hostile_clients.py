"""Clients that mean the bridge ill, each of a kind; as a program all kinds at once, from one address, until it is stopped.

python -m tests.rest_bridge.hostile_clients ADDRESS PORT TOKEN [SEED]
"""

from __future__ import annotations

import contextlib
import random
import socket
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Callable

#: A question that costs the bridge much: 50 symbols, each of many seconds.
HEAVY = "/api/v1/candles?symbol=" + ",".join(f"S{i}" for i in range(50)) + "&timeframe=45s&limit=5000"


class Attacker:
    """Speaks to the bridge on `port` of loopback from `address`. Each method is one round of one kind of attack; what the bridge
    does to the connections is not looked at."""

    def __init__(self, address: str, port: int, token: str, draw: random.Random) -> None:
        self._address, self._port, self._token, self._draw = address, port, token, draw
        self._kept: dict[str, deque[socket.socket]] = {}

    def vanish(self) -> None:
        """120 heavy questions within a moment, each of a connection that is closed at once: in order, or by a reset."""
        for i in range(120):
            sock = self._connect()
            if self._draw.random() < 0.5:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            with sock:
                _send(sock, self._ask(f"{HEAVY}&from={1_500_000_000_000 + i}"))

    def vanish_in_the_middle(self) -> None:
        """Leaves within the head, within the body, or when the answer has begun."""
        whole = self._draw.choice([self._ask("/openapi.json"), self._ask(HEAVY), self._put(1_000)])
        with self._connect() as sock:
            _send(sock, whole[: self._draw.randrange(len(whole))])
        with self._connect() as sock:
            _send(sock, whole)
            with contextlib.suppress(OSError):
                sock.recv(self._draw.randrange(1, 200))

    def drip(self) -> None:
        """Hundreds of connections that each send a little of a head and never its end."""
        for _ in range(20):
            self._keep("drip", 400, self._connect(), b"GET /healthz HTTP/1.1\r\nX-Slow: ")
        for sock in list(self._kept["drip"]):
            _send(sock, b"x")

    def drip_a_body(self) -> None:
        """The head of a request whose body comes by the byte."""
        self._keep("body", 20, self._connect(), self._put(60_000))
        for sock in list(self._kept["body"]):
            _send(sock, b" ")

    def read_nothing(self) -> None:
        """Asks for large answers, more and more of them, and takes none."""
        sock = self._connect(receive=4096)
        self._keep("deaf", 60, sock, self._ask(self._draw.choice([HEAVY, "/openapi.json", "/docs"])) * 20)

    def pipeline(self) -> None:
        """64 KiB of requests in one piece, of which little is read."""
        ask = self._ask(self._draw.choice(["/healthz", "/docs", "/api/v1/symbols"]))
        with self._connect() as sock:
            _send(sock, ask * ((1 << 16) // len(ask)))
            with contextlib.suppress(OSError):
                sock.recv(1 << 16)

    def oversize(self) -> None:
        """A head, a line or a body beyond any measure."""
        parts = [
            b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\n" + b"X-A: b\r\n" * 10_000 + b"\r\n",
            b"GET / HTTP/1.1\r\nX-Long: " + b"c" * 1_000_000 + b"\r\n\r\n",
            self._put(9_000_000_000) + b"d" * 1_000_000,
            b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"10000\r\n" + b"e" * 65_536 + b"\r\n",
        ]
        with self._connect() as sock:
            _send(sock, self._draw.choice(parts))

    def guess(self) -> None:
        """Tries tokens, and bytes that are no HTTP."""
        with self._connect() as sock:
            guess = f"GET /api/v1/symbols HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._draw.random()}\r\n\r\n"
            _send(sock, guess.encode() if self._draw.random() < 0.5 else self._draw.randbytes(2_000))

    def kinds(self) -> list[Callable[[], None]]:
        """Every kind of attack."""
        return [
            self.vanish, self.vanish_in_the_middle, self.drip, self.drip_a_body, self.read_nothing, self.pipeline, self.oversize,
            self.guess,
        ]  # fmt: skip

    def close(self) -> None:
        """Ends the connections that are held open."""
        for kept in self._kept.values():
            while kept:
                kept.pop().close()

    def _connect(self, receive: int = 0) -> socket.socket:
        sock = socket.socket()
        sock.settimeout(1)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        with contextlib.suppress(OSError):
            sock.bind((self._address, 0))
            sock.connect(("127.0.0.1", self._port))
        return sock

    def _keep(self, kind: str, most: int, sock: socket.socket, first: bytes) -> None:
        """Sends `first` and holds the connection open; of more than `most` of a kind the oldest is closed."""
        kept = self._kept.setdefault(kind, deque())
        kept.append(sock)
        _send(sock, first)
        if len(kept) > most:
            kept.popleft().close()

    def _ask(self, path: str) -> bytes:
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self._token}\r\n\r\n".encode()

    def _put(self, size: int) -> bytes:
        head = f"PUT /healthz HTTP/1.1\r\nHost: localhost\r\nContent-Length: {size}\r\n\r\n"
        return head.encode()


def _send(sock: socket.socket, data: bytes) -> None:
    """As much of it as the other side takes at once."""
    with contextlib.suppress(OSError):
        sock.setblocking(False)
        sock.send(data)
        sock.settimeout(1)


def main() -> None:
    address, port, token = sys.argv[1], int(sys.argv[2]), sys.argv[3]
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else 0

    def attack(kind: int) -> None:
        round_of = Attacker(address, port, token, random.Random(seed + kind)).kinds()[kind]
        while True:
            round_of()
            time.sleep(0.05)  # without it the attacker takes a core from what it attacks

    for kind in range(len(Attacker(address, port, token, random.Random()).kinds())):
        threading.Thread(target=attack, args=(kind,), daemon=True).start()
    print("attacking", flush=True)
    threading.Event().wait()


if __name__ == "__main__":
    main()
