"""The application under gunicorn: one worker process with threads, watched and restarted by its master."""

from __future__ import annotations

import gc
import logging
import socket
import sys
from collections.abc import Callable
from typing import Any

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.config import Config
from gunicorn.glogging import Logger

from rest_bridge.worker import Worker

#: gunicorn's highest; a list of 50 symbols is far below it.
MAX_REQUEST_LINE = 8190
GRACE_S = 1
#: Open at once; more wait in the kernel's queue until one of these ends, as an idle one does after KEEP_ALIVE_S.
MAX_CONNECTIONS = 500
MAX_HEADERS = 50
KEEP_ALIVE_S = 5

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
