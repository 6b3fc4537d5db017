"""One client's connection: gevent.pywsgi's handler with our parser, our limits and our errors."""

from __future__ import annotations

import io
import logging
import socket
import time
from http import HTTPStatus
from socket import socket as Socket
from types import TracebackType
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

import gevent
from gevent.pywsgi import Input, WSGIHandler

from rest_bridge.errors import error_body
from rest_bridge.request_head import MAX_HEAD_BYTES, MAX_HEADERS, BadRequest, Head, parse_head

if TYPE_CHECKING:
    from rest_bridge.server import Server

#: Closing waits so long for the client to have read the answer, where it still sends: it would be lost otherwise.
LINGER_S = 0.5
_CHUNK = 1 << 16
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

log = logging.getLogger("tapewatch.bridge")


class _Incoming(io.RawIOBase):
    """What a client sends. A read after `deadline` (monotonic) raises TimeoutError, however much came before."""

    def __init__(self, sock: Socket) -> None:
        self._sock = sock
        self.deadline = 0.0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("the request took too long")
        self._sock.settimeout(left)
        return self._sock.recv_into(buffer)


class Handler(WSGIHandler):  # type: ignore[misc]
    """Reads requests one after the other and answers each; others have their turn in between."""

    server: Server
    socket: Socket
    rfile: io.BufferedReader

    def __init__(self, sock: Socket, address: tuple[Any, ...], server: Server) -> None:
        # Head and body of an answer leave in two pieces: without this the second waits 44 ms for an acknowledgement.
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._incoming = _Incoming(sock)
        self.address = str(address[0])
        super().__init__(sock, address, server)
        self.rfile.close()
        self.rfile = io.BufferedReader(self._incoming)

    def abort(self) -> None:
        """Ends the connection: whatever waits for it raises an error or reads the end."""
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            log.debug("a connection that is to be ended has ended")

    def client_gone(self) -> bool:
        """Whether the client has closed its side."""
        state: int = self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0]
        return state != _ESTABLISHED

    def handle(self) -> None:
        """A connection's life, in a greenlet of its own."""
        connections = self.server.connections
        if not connections.add(self):
            log.debug("connection of %s refused: too many are open", self.address)
            return
        try:
            while self.handle_one_request():
                gevent.sleep(0)  # the next request may be here already: others have their turn first
        except OSError as error:
            log.debug("connection of %s ended: %s", self.address, error)
        finally:
            connections.remove(self)

    def handle_one_request(self) -> bool:
        """Answers what comes next. False: the connection is to be closed."""
        try:
            with self.server.connections.waiting(self):
                head = self._read_head()
                if head is None:
                    return False
                body = self._read_body(head)
        except BadRequest as error:
            self._refuse(error)
            return False
        self.request_version = head.version
        self.close_connection = not head.keep_alive
        self.wsgi_input = Input(io.BytesIO(body), len(body))
        self.environ = self._environ(head)
        self.application = self.server.application
        self.socket.settimeout(self.server.limits.answer_s)
        self.handle_one_response()
        if self.close_connection:
            self._linger()
        return not self.close_connection

    def _read_head(self) -> Head | None:
        """The next request's head; None where the client asks nothing more. Raises BadRequest, OSError."""
        limits = self.server.limits
        self._incoming.deadline = time.monotonic() + limits.keep_alive_s
        if not self.rfile.peek(1):
            return None
        self._incoming.deadline = time.monotonic() + limits.request_s
        lines: list[bytes] = []
        left = MAX_HEAD_BYTES
        while True:
            line: bytes = self.rfile.readline(left)
            left -= len(line)
            if left <= 0 or len(lines) > MAX_HEADERS + 1:
                raise _too_large(lines or [line])
            if not line:
                return None
            if line != b"\r\n":
                lines.append(line)
            elif lines:
                return parse_head(lines)

    def _read_body(self, head: Head) -> bytes:
        """The body, which is read before anything is worked on. Raises OSError."""
        if not head.body_bytes:
            return b""
        if head.headers.get("HTTP_EXPECT", "").lower() == "100-continue":
            self.socket.sendall(_CONTINUE)
        body: bytes = self.rfile.read(head.body_bytes)
        if len(body) < head.body_bytes:
            raise ConnectionError("the client ended the connection within a request's body")
        return body

    def _environ(self, head: Head) -> dict[str, Any]:
        environ: dict[str, Any] = self.server.get_environ()
        environ.update(head.headers)
        environ["REQUEST_METHOD"] = head.method
        environ["PATH_INFO"] = unquote(head.path, "latin-1") if "%" in head.path else head.path
        environ["QUERY_STRING"] = head.query
        environ["SERVER_PROTOCOL"] = head.version
        environ["REMOTE_ADDR"] = self.address
        environ["wsgi.input"] = self.wsgi_input
        environ["tapewatch.client_gone"] = self.client_gone
        return environ

    def start_response(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        if self.server.ending:
            self.close_connection = True
        if self.close_connection:
            more = [("Connection", "close")]
        else:
            more = [("Connection", "keep-alive"), ("Keep-Alive", f"timeout={self.server.limits.keep_alive_s:.0f}")]
        return super().start_response(status, headers + more, exc_info)

    def write(self, data: bytes) -> None:
        with self.server.connections.sending(self, len(data)):
            super().write(data)

    def handle_error(self, t: type[BaseException], v: BaseException, tb: TracebackType) -> None:
        """pywsgi calls it for what an answer raised: the client is gone or too slow, or the fault is ours."""
        self.close_connection = True
        self.abort()
        if isinstance(v, OSError | gevent.GreenletExit):
            log.debug("answer to %s not sent: %s", self.address, v)
        else:
            log.error("a connection failed", exc_info=(t, v, tb))

    def log_request(self) -> None:
        """Nothing: requests are counted (metrics), not logged."""

    def _refuse(self, error: BadRequest) -> None:
        body = error_body(error.code, str(error))
        head = (
            f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.socket.settimeout(self.server.limits.answer_s)
        self.socket.sendall(head.encode("latin-1") + body)
        self._linger()

    def _linger(self) -> None:
        """Ends the connection in a way that the client still gets to read the answer."""
        self.socket.shutdown(socket.SHUT_WR)
        self._incoming.deadline = time.monotonic() + LINGER_S
        buffer = bytearray(_CHUNK)
        while self._incoming.readinto(buffer):
            pass


#: The state of a connection whose both sides are open (tcp_states.h).
_ESTABLISHED = 1


def _too_large(lines: list[bytes]) -> BadRequest:
    if len(lines) == 1:
        parse_head(lines)  # raises where the request line alone is too long
    what = f"{MAX_HEADERS} headers" if len(lines) > MAX_HEADERS else f"{MAX_HEAD_BYTES} bytes"
    return BadRequest(431, "headers_too_large", f"the request's head has more than {what}")
