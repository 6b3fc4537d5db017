"""The application behind a socket: gevent.pywsgi in one process, in which each connection is a greenlet.

While one waits for Redis or for its client the others go on, without a change of thread: on two cores that are busy anyway
threads cost more than the waiting that they fill (docs/decisions.md).
"""

from __future__ import annotations

import gc
import logging
import signal
import socket
import warnings
from collections.abc import Callable

import gevent
from flask import Flask
from gevent import monkey
from gevent.event import Event
from gevent.pool import Pool
from gevent.pywsgi import WSGIServer

from rest_bridge.config import Limits
from rest_bridge.connections import Connections
from rest_bridge.handler import Handler

#: How often `alive` is called.
BEAT_S = 1.0

log = logging.getLogger("tapewatch.bridge")


class PortTaken(OSError):
    """The address cannot be listened on; the text is one line."""


class Server(WSGIServer):  # type: ignore[misc]
    """Accepts connections, and ends those that nothing is asked on. `ending`: every answer is its connection's last."""

    def __init__(self, app: Flask, listener: socket.socket, limits: Limits) -> None:
        self.limits = limits
        self.connections = Connections(limits)
        self.ending = False
        host, port = listener.getsockname()[:2]
        environ = {"SERVER_NAME": host, "SERVER_PORT": str(port), "wsgi.multithread": True}
        sock = gevent.socket.socket(fileno=listener.detach())
        super().__init__(sock, app, spawn=Pool(), log=None, error_log=log, handler_class=Handler, environ=environ)

    def end(self) -> None:
        """Accepts nothing more; what is under way has `grace_s`."""
        self.ending = True
        self.stop_accepting()
        self.connections.end_waiting()
        self.stop(self.limits.grace_s)


def serve(
    make_app: Callable[[], Flask],
    host: str,
    port: int,
    limits: Limits,
    ready: Callable[[], None] = lambda: None,
    alive: Callable[[], object] = lambda: None,
) -> None:
    """Serves until SIGTERM or SIGINT. `ready` is called once, `alive` each second. Raises PortTaken."""
    listener = _listen(host, port)
    # From here on what waits in this process lets others go on, redis-py included.
    with warnings.catch_warnings():
        # The real ssl is what redis.asyncio has; nothing in this process uses that.
        warnings.simplefilter("ignore", monkey.MonkeyPatchWarning)
        monkey.patch_all(thread=False)
        # Logging must not switch greenlets, and its locks are taken once more at exit, when gevent is gone.
        monkey.patch_thread(logging=False)
    server = Server(make_app(), listener, limits)
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
    """A listening socket; on `::` for both families. Raises PortTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=256, dualstack_ipv6=host == "::")
    except OSError as error:
        raise PortTaken(f"cannot listen on {host_port(host, port)}: {error.strerror}") from None


def host_port(host: str, port: int) -> str:
    """``host:port``, an IPv6 address in brackets."""
    return f"{f'[{host}]' if ':' in host else host}:{port}"
