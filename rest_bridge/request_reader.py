"""A client's bytes as WSGI environments, without I/O: httptools (llhttp) takes them apart, here are our limits.

Nothing that we answer takes a body. So a request is whole when its head is, and one that announces a body is a connection's
last: where the body ends need not be known.
"""

from __future__ import annotations

import io
from contextlib import suppress
from functools import lru_cache
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import httptools

#: Of the request's target; a list of 50 symbols is far below it.
MAX_TARGET = 8190
MAX_HEADERS = 50
#: Of all before a request's body.
MAX_HEAD_BYTES = 32 * 1024

Environ = dict[str, Any]


class Unreadable(Exception):
    """What came is no request that we take; the connection is of no use any more."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Request(NamedTuple):
    """`keep_alive`: the client may ask more on this connection."""

    environ: Environ
    keep_alive: bool


class RequestReader:
    """`feed` it what a connection sends; `base` is what all its environments have in common."""

    def __init__(self, base: Environ) -> None:
        self._base = base
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: list[tuple[bytes, bytes]] = []
        self._found: list[Request] = []
        self._head_bytes = 0  # since the last head was whole
        self._over = False

    def feed(self, data: bytes) -> list[Request]:
        """The requests that are whole now, in order; none after one that is the last. Raises Unreadable."""
        self._head_bytes += len(data)
        self._found = []
        try:
            with suppress(httptools.HttpParserUpgrade):  # a request all the same, and the connection's last
                self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            if not self._over:
                reason = error.__context__
                raise reason if isinstance(reason, Unreadable) else _no_request(str(error)) from None
        if self._head_bytes > MAX_HEAD_BYTES and not self._over:
            raise _too_large("the head")
        return self._found

    # --- httptools calls these

    def on_url(self, part: bytes) -> None:
        self._target += part
        if len(self._target) > MAX_TARGET:
            raise Unreadable(414, "uri_too_long", f"the address has more than {MAX_TARGET} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) == MAX_HEADERS and not self._over:
            raise _too_large(f"more than {MAX_HEADERS} headers")
        self._headers.append((name, value))

    def on_headers_complete(self) -> None:
        if self._over:
            return
        environ = self._environ()
        length = environ.get("CONTENT_LENGTH", "0")
        has_body = length.strip("0") != "" or "HTTP_TRANSFER_ENCODING" in environ
        keep_alive = self._parser.should_keep_alive() and not self._parser.should_upgrade() and not has_body
        self._found.append(Request(environ, keep_alive))
        self._over = not keep_alive
        self._target, self._headers, self._head_bytes = b"", [], 0

    def _environ(self) -> Environ:
        version = self._parser.get_http_version()
        path, query = _split(self._target)
        environ = self._base | {
            "REQUEST_METHOD": self._parser.get_method().decode("latin-1"),
            "PATH_INFO": (unquote_to_bytes(path) if b"%" in path else path).decode("latin-1"),
            "QUERY_STRING": query.decode("latin-1"),
            "RAW_URI": self._target.decode("latin-1"),
            "SERVER_PROTOCOL": f"HTTP/{version}",
            "wsgi.input": io.BytesIO(),
        }
        hosts = 0
        for name, value in self._headers:
            key = _key(name)
            hosts += key == "HTTP_HOST"
            if key:
                text = value.decode("latin-1")
                environ[key] = f"{environ[key]},{text}" if key in environ else text
        if hosts > 1 or (not hosts and version == "1.1"):
            raise _no_request("one header Host is due")
        return environ


@lru_cache(maxsize=1024)
def _key(name: bytes) -> str:
    """A header's name in an environment; empty for one with an underscore, which there would look like another's."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _split(target: bytes) -> tuple[bytes, bytes]:
    """Path and query."""
    if target.startswith(b"/"):
        path, _, query = target.partition(b"?")
        return path, query
    try:
        url = httptools.parse_url(target)  # a proxy asks for the whole URL
    except httptools.HttpParserInvalidURLError:
        return target, b""
    return url.path or b"/", url.query or b""


def _no_request(reason: str) -> Unreadable:
    return Unreadable(400, "bad_request", f"this cannot be read as a request: {reason}")


def _too_large(what: str) -> Unreadable:
    return Unreadable(431, "headers_too_large", f"too large for a request's head: {what}")
