"""The application under gunicorn: one worker process with threads, watched and restarted by its master."""

from __future__ import annotations

import contextlib
import gc
import logging
import socket
import struct
import sys
import time
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger
from gunicorn.workers import gthread

from rest_bridge.errors import error_body

#: gunicorn's highest; a list of 50 symbols is far below it.
MAX_REQUEST_LINE = 8190
GRACE_S = 1
#: A client that sends nothing more of its request, or does not read on, holds a thread this long at most; and one that does
#: so drop by drop, this long altogether. No answer of ours takes that long, with Redis away or not.
SLOW_CLIENT_S = 5
REQUEST_S = 20.0
AT_ONCE_S = 0.002
#: Open at once; more wait in the kernel's queue until one of these ends, as an idle one does after KEEP_ALIVE_S.
MAX_CONNECTIONS = 500
MAX_HEADERS = 50
KEEP_ALIVE_S = 5

#: What a handler answers to have its connection given back to the loop; older versions have no such thing.
_LATER = getattr(gthread, "_DEFER", None)

log = logging.getLogger("tapewatch.bridge")


class PortTaken(OSError):
    """The address cannot be listened on; the text is one line."""


def check_port(host: str, port: int) -> None:
    """Raises PortTaken unless `host`:`port` is free (gunicorn itself would try for seconds, with a trace)."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(f"cannot listen on {host}:{port}: {error.strerror}") from None


def serve(
    make_app: Callable[[], Flask], host: str, port: int, threads: int, ready: Callable[[], None] = lambda: None
) -> None:
    """Serves until SIGTERM or SIGINT. `make_app` runs in the worker, after the fork; `ready` once it is there."""
    _Server(make_app, host, port, threads, ready).run()


class _Server(BaseApplication):  # type: ignore[misc]
    def __init__(
        self, make_app: Callable[[], Flask], host: str, port: int, threads: int, ready: Callable[[], None]
    ) -> None:
        self._make_app, self._ready = make_app, ready
        self._address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        self._threads = threads
        super().__init__()

    def load_config(self) -> None:
        options: dict[str, Any] = {
            "bind": self._address,
            "workers": 1,
            "threads": self._threads,
            "worker_class": Worker,
            "logger_class": _Logger,
            "worker_connections": MAX_CONNECTIONS,
            "keepalive": KEEP_ALIVE_S,
            "graceful_timeout": GRACE_S,
            "limit_request_line": MAX_REQUEST_LINE,
            "limit_request_fields": MAX_HEADERS,
            "limit_request_field_size": MAX_REQUEST_LINE,
            "proc_name": "tapewatch bridge",
            "control_socket_disable": True,
            "post_worker_init": self._started,
        }
        for name, value in options.items():
            if name in self.cfg.settings:
                self.cfg.set(name, value)

    def load(self) -> Flask:
        return self._make_app()

    def _started(self, worker: Any) -> None:
        # What is there now stays: the collector need not look at it at every turn (it cost 12 ms of the slowest 1 %).
        gc.collect()
        gc.freeze()
        self._ready()


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """A threaded worker that refuses what is not HTTP in our words, and lets no slow client hold a thread for long."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._under_way: dict[Any, float] = {}  # connection to when a thread took it up

    def notify(self) -> None:
        """Called at least once a second by the loop that accepts."""
        super().notify()
        latest = time.monotonic() - REQUEST_S
        for conn, began in list(self._under_way.items()):
            if began < latest:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)

    def handle(self, conn: Any) -> Any:
        # A connection that says nothing yet waits in the loop: here it would hold a thread for seconds.
        if _LATER is not None and not conn.initialized and not conn.data_ready and not conn.wait_for_data(AT_ONCE_S):
            return _LATER
        # As options of the socket, because gunicorn sets Python's own timeout back to none before it reads.
        limit = struct.pack("ll", SLOW_CLIENT_S, 0)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        self._under_way[conn] = time.monotonic()
        try:
            return super().handle(conn)
        finally:
            del self._under_way[conn]

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: Exception) -> None:
        status, code = 400, "bad_request"
        name = type(exc).__name__
        if name == "LimitRequestLine":
            status, code = 414, "uri_too_long"
        elif name in ("LimitRequestHeaders", "LimitRequestFieldSize"):
            status, code = 431, "headers_too_large"
        elif not type(exc).__module__.startswith("gunicorn.http"):
            log.error("a request failed", exc_info=exc)
            status, code = 500, "internal"
        body = error_body(code, "this cannot be read as a request" if status == 400 else code.replace("_", " "))
        head = f"HTTP/1.1 {status} Error\r\nConnection: close\r\nContent-Type: application/json\r\n"
        try:
            client.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
        except OSError:
            log.debug("a refusal could not be delivered")


class _Logger(Logger):  # type: ignore[misc]
    """gunicorn's events through our logging; its banner and its access log stay out."""

    def setup(self, cfg: Config) -> None:
        self.error_log = logging.getLogger("tapewatch.bridge.gunicorn")
        self.error_log.setLevel(logging.WARNING)
        self.access_log = logging.getLogger("gunicorn.access")

    def access(self, *_: Any) -> None:
        """Requests are counted in /metrics instead."""

    def exception(self, msg: str, *args: Any, **kwargs: Any) -> None:
        if isinstance(sys.exc_info()[1], BlockingIOError):
            log.debug("a client was too slow")
        else:
            super().exception(msg, *args, **kwargs)

    def reopen_files(self) -> None:
        """There are none."""
