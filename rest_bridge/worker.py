"""gunicorn's worker process, with threads that each fetch their own requests.

gunicorn's threaded worker has one loop that hands every request to a pool of threads and takes the connection back from
it: a queue, a future, a pipe and two changes of thread, as dear as all of Flask to a client that asks one thing after the
other. Here each thread waits in turn for whichever connection is readable, and answers it itself. Parsing and writing HTTP
stay gunicorn's.
"""

from __future__ import annotations

import contextlib
import logging
import os
import select
import selectors
import signal
import socket
import struct
import threading
import time
from typing import Any

from gunicorn import util
from gunicorn.workers import gthread
from gunicorn.workers.base import Worker as BaseWorker

from rest_bridge.errors import error_body

#: A client that sends nothing more of its request, or does not read on, holds a thread this long at most; and one that does
#: so drop by drop, this long altogether. No answer of ours takes that long, with Redis away or not.
SLOW_CLIENT_S = 5
REQUEST_S = 20.0
#: Closing waits so long for the client to have read the answer, where it still sends: it would be lost otherwise.
LINGER_S = 0.5
#: Threads that work at a time.
SEATS = 1
#: One that has been at an answer for so long is held up: another steps in for it.
HELD_UP_S = 0.025
#: How often the process says that it lives, and looks for connections whose time is up.
_ROUND_S = 1.0
#: The master kills a worker that takes all of the grace period.
_GRACE_SHARE = 0.7

log = logging.getLogger("tapewatch.bridge")


class _Seat:
    """A thread's right to work. `began`: when it took up what it answers; `given_away`: another has the right by now."""

    __slots__ = ("began", "given_away")

    def __init__(self) -> None:
        self.began = 0.0
        self.given_away = False


class Worker(gthread.ThreadWorker):  # type: ignore[misc]
    """Answers on `cfg.threads` threads, refuses what is not HTTP in our words, lets no slow client hold a thread for long.

    A connection is either in `_idle` (nobody works on it, the selector watches it) or in `_under_way` (a thread has it).
    Whoever takes it out of `_idle` owns it; taking it out is atomic, so no lock is needed for that.
    """

    alive: bool

    def init_process(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._turn = threading.Lock()  # held by the one thread that waits for the selector
        self._doors = threading.Lock()  # over `_listening` and `nr_conns`
        self._listening = False
        self._idle: dict[Any, float] = {}  # connection to when it is closed; ascending, as each is added last
        self._under_way: dict[Any, _Seat] = {}
        self._seats = threading.Semaphore(SEATS)
        self._at_once = False
        BaseWorker.init_process(self)

    def run(self) -> None:
        """Until a signal, or until the master is gone; after SIGTERM what is under way has the grace period to end."""
        for listener in self.sockets:
            listener.setblocking(False)
        self._listen(True)
        for _ in range(self.cfg.threads):
            threading.Thread(target=self._serve, daemon=True).start()
        next_round = 0.0
        while self.alive and self.is_parent_alive():
            if time.monotonic() >= next_round:
                self._look_around()
                next_round = time.monotonic() + _ROUND_S
            self._relieve()
            self._pause(HELD_UP_S)
        self.alive = False
        self._listen(False)
        end = time.monotonic() + (0.0 if self._at_once else _GRACE_SHARE * self.cfg.graceful_timeout)
        while self.nr_conns and time.monotonic() < end:
            self._look_around()
            self._relieve()
            self._pause(HELD_UP_S)
        for listener in self.sockets:
            listener.close()
        # The master says it again until we are gone; amid Python's own end nobody would handle it.
        for signum in (signal.SIGQUIT, signal.SIGINT, signal.SIGTERM):
            signal.signal(signum, signal.SIG_IGN)

    def handle_exit(self, sig: int, frame: Any) -> None:
        self.alive = False  # the signal itself has woken the pause

    def handle_quit(self, sig: int, frame: Any) -> None:
        # gunicorn's own raises SystemExit wherever the signal finds us, amid the start of a thread, too.
        self._at_once = True
        self.alive = False

    def _pause(self, seconds: float) -> None:
        """Sleeps, at most until the next signal."""
        if select.select([self.PIPE[0]], [], [], seconds)[0]:
            os.read(self.PIPE[0], 64)

    def _look_around(self) -> None:
        self.notify()
        now = time.monotonic()
        for conn, ends in list(self._idle.items()):
            if ends > now:
                break
            if not self._take(conn):
                continue
            if _silent(conn.sock):
                self._end(conn, 0.0)
            else:
                self._wait_for(conn)  # its request waits for a thread
        for conn, seat in list(self._under_way.items()):
            if seat.began < now - REQUEST_S:
                with contextlib.suppress(OSError):
                    conn.sock.shutdown(socket.SHUT_RDWR)

    def _relieve(self) -> None:
        """Lets other threads step in for those that are held up."""
        late = time.monotonic() - HELD_UP_S
        for seat in list(self._under_way.values()):
            if seat.began < late and not seat.given_away:
                seat.given_away = True
                self._seats.release()

    def _listen(self, wanted: bool) -> None:
        """Watches the listeners while there is room for another connection; the kernel keeps who comes meanwhile."""
        with self._doors:
            wanted = wanted and self.alive and self.nr_conns < self.worker_connections
            if wanted == self._listening:
                return
            self._listening = wanted
            for listener in self.sockets:
                if wanted:
                    self._selector.register(listener, selectors.EVENT_READ)
                else:
                    self._selector.unregister(listener)

    def _serve(self) -> None:
        """A thread's life: take a seat, and answer until it was given to another."""
        while True:
            self._seats.acquire()
            seat = _Seat()
            while not seat.given_away:
                self._serve_one(seat)

    def _serve_one(self, seat: _Seat) -> None:
        """Fetches a connection that has something to say, answers, puts it back."""
        with self._turn:
            conn = self._readable()
        try:
            again = self._answer(conn, seat)
        except Exception:
            log.exception("a connection failed")
            again = False
        if not again:
            self._end(conn)  # may take its time, so it is under way until then
        del self._under_way[conn]
        if again:
            self._wait_for(conn)

    def _answer(self, conn: Any, seat: _Seat) -> bool:
        """Answers what a connection asks for now; whether it may ask more."""
        while True:
            seat.began = time.monotonic()
            self._under_way[conn] = seat
            if not self.handle(conn):
                return False
            # What was read beyond a request is not seen by the selector.
            if not conn.parser.unreader.buf.getvalue():
                return True

    def _readable(self) -> Any:
        """The next connection with something to read; new ones are taken in meanwhile."""
        while True:
            for key, _ in self._selector.select():
                if key.data is None:
                    self._accept(key.fileobj)
                elif self._take(key.data):
                    # The others that are readable are told again to the next thread.
                    return key.data

    def _accept(self, listener: Any) -> None:
        try:
            sock, address = listener.accept()
        except OSError:
            return  # gone again
        # As options of the socket, because gunicorn sets Python's own timeout back to none before it reads.
        limit = struct.pack("ll", SLOW_CLIENT_S, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, limit)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
        conn = gthread.TConn(self.cfg, sock, address, listener.getsockname())
        conn.data_ready = True  # no thread gets it before it is
        with self._doors:
            self.nr_conns += 1
        self._listen(True)
        self._wait_for(conn)

    def _wait_for(self, conn: Any) -> None:
        self._selector.register(conn.sock, selectors.EVENT_READ, conn)
        self._idle[conn] = time.monotonic() + self.cfg.keepalive

    def _take(self, conn: Any) -> bool:
        """Whether the connection was idle and is now the caller's."""
        if self._idle.pop(conn, None) is None:
            return False
        self._selector.unregister(conn.sock)
        return True

    def _end(self, conn: Any, linger_s: float = LINGER_S) -> None:
        util.close_graceful(conn.sock, linger_s)
        with self._doors:
            self.nr_conns -= 1
        self._listen(True)

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


def _silent(sock: socket.socket) -> bool:
    """Whether the client has sent nothing that has not been read; also not that it is gone."""
    try:
        sock.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
