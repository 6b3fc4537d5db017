"""The application behind a socket: one process, in which each connection is a greenlet.

While one waits for Redis or for its client the others go on, without a change of thread: on two cores that are busy anyway
threads cost more than the waiting that they fill (docs/decisions.md).
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import sys
import time
import warnings
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import Any

import gevent
from flask import Flask
from gevent import monkey
from gevent.event import Event
from gevent.lock import BoundedSemaphore
from gevent.pool import Pool
from gevent.server import StreamServer

from rest_bridge.errors import error_body
from rest_bridge.request_reader import Environ, Request, RequestReader, Unreadable

#: Open at once; more wait in the kernel's queue until one of these ends, as an idle one does after KEEP_ALIVE_S.
MAX_CONNECTIONS = 500
KEEP_ALIVE_S = 5.0
#: From a connection's begin, or its last answer, to the next whole request; and to send an answer.
REQUEST_S = 10.0
ANSWER_S = 20.0
#: Closing waits so long for the client to have read the answer, where it still sends: it would be lost otherwise.
LINGER_S = 0.5
#: What is under way when the end is wanted has so long.
GRACE_S = 1.0
#: How often `alive` is told.
BEAT_S = 1.0
#: Questions worked on at once: an answer of 50,000 rows takes some megabytes while it is made.
AT_WORK = 8
_CHUNK = 1 << 16
#: Answers that have no body, so no length of it either.
_BARE = ("1", "204", "304")

log = logging.getLogger("tapewatch.bridge")

Headers = list[tuple[str, str]]


class PortTaken(OSError):
    """The address cannot be listened on; the text is one line."""


def serve(
    make_app: Callable[[], Flask],
    host: str,
    port: int,
    ready: Callable[[], None] = lambda: None,
    alive: Callable[[], object] = lambda: None,
) -> None:
    """Serves until SIGTERM or SIGINT. `ready` is told once, `alive` each second. Raises PortTaken."""
    listener = _listen(host, port)
    # From here on what waits in this process lets others go on, redis-py included.
    with warnings.catch_warnings():
        # The real ssl is what redis.asyncio has; nothing in this process uses that.
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all(thread=False)
        # Logging waits for nobody, and its locks are taken once more at the very end, when gevent is gone.
        monkey.patch_thread(logging=False)
    server = _Server(make_app(), listener)
    # What is there now stays: the collector need not look at it at every turn (it cost 12 ms of the slowest 1 %).
    gc.collect()
    gc.freeze()
    stop = Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        gevent.signal_handler(signum, stop.set)
    server.start()
    ready()
    while not stop.wait(BEAT_S):
        alive()
    server.end()


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256)
    except OSError as error:
        raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from None


class _Server:
    """Accepts connections, and ends those that nobody is served on."""

    def __init__(self, app: Flask, listener: socket.socket) -> None:
        host, port = listener.getsockname()[:2]
        self._app = app
        self._base: Environ = {
            "SCRIPT_NAME": "",
            "SERVER_NAME": host,
            "SERVER_PORT": str(port),
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "http",
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        self._pool = Pool(MAX_CONNECTIONS)
        self._acceptor = StreamServer(gevent.socket.socket(fileno=listener.detach()), self._connected, spawn=self._pool)
        self._idle: set[gevent.Greenlet] = set()
        self._at_work = BoundedSemaphore(AT_WORK)
        self._ending = False

    def start(self) -> None:
        self._acceptor.start()

    def end(self) -> None:
        """Takes no more; what is under way has GRACE_S."""
        self._ending = True
        self._acceptor.close()
        gevent.killall(list(self._idle), block=False)
        if not self._pool.join(GRACE_S):
            self._pool.kill(timeout=GRACE_S)

    def _connected(self, sock: Any, address: Any) -> None:
        """A connection's life, in a greenlet of its own."""
        reader = RequestReader(self._base | {"REMOTE_ADDR": address[0], "REMOTE_PORT": str(address[1])})
        try:
            while self._next(sock, reader):
                gevent.sleep(0)  # its next request may be here already: others have their turn first
        except OSError:
            log.debug("a client was too slow, or is gone")
        except Exception:
            log.exception("a connection failed")
        finally:
            sock.close()

    def _next(self, sock: Any, reader: RequestReader) -> bool:
        """Answers what comes next; whether the connection may go on."""
        began = time.monotonic()
        requests: list[Request] = []
        while not requests:
            if time.monotonic() - began > REQUEST_S:
                return False
            data = self._receive(sock)
            if not data:
                return False
            try:
                requests = reader.feed(data)
            except Unreadable as refusal:
                body = error_body(refusal.code, str(refusal))
                _send(sock, f"{refusal.status} Error", [("Content-Type", "application/json")], body, False)
                _linger(sock)
                return False
        for request in requests:
            if not self._answer(sock, request):
                _linger(sock)
                return False
        return True

    def _receive(self, sock: Any) -> bytes:
        this = gevent.getcurrent()
        self._idle.add(this)
        try:
            sock.settimeout(KEEP_ALIVE_S)
            received: bytes = sock.recv(_CHUNK)
            return received
        finally:
            self._idle.discard(this)

    def _answer(self, sock: Any, request: Request) -> bool:
        """Whether the client was told that it may ask more."""
        begun: list[tuple[str, Headers]] = []

        def start_response(status: str, headers: Headers, exc_info: Any = None) -> Any:
            begun.append((status, headers))

        with self._at_work:
            parts: Any = self._app(request.environ, start_response)
            try:
                body = b"".join(parts)
            finally:
                if hasattr(parts, "close"):
                    parts.close()
        status, headers = begun[-1]
        keep_alive = request.keep_alive and not self._ending
        _send(sock, status, headers, body, keep_alive)
        return keep_alive


def _send(sock: Any, status: str, headers: Headers, body: bytes, keep_alive: bool) -> None:
    lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers)]
    if not status.startswith(_BARE) and all(name != "Content-Length" for name, _ in headers):
        lines.append(f"Content-Length: {len(body)}")
    lines.append(f"Date: {_date(int(time.time()))}\r\nConnection: {'keep-alive' if keep_alive else 'close'}\r\n\r\n")
    sock.settimeout(ANSWER_S)
    sock.sendall("\r\n".join(lines).encode("latin-1") + body)


@lru_cache(maxsize=2)
def _date(second: int) -> str:
    return formatdate(second, usegmt=True)


def _linger(sock: Any) -> None:
    """Ends the connection in a way that the client still gets to read the answer."""
    sock.shutdown(socket.SHUT_WR)
    with gevent.Timeout(LINGER_S, False):
        sock.settimeout(LINGER_S)
        while sock.recv(_CHUNK):
            pass
