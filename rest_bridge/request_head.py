"""The head of an HTTP/1.1 request, parsed strictly and without I/O: whatever two servers could read differently is an error.

RFC 9112; more strictly than it: no folded lines, no bare line feeds, no transfer codings, and one `Content-Length` at most.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

#: Of the request's target, in bytes; a list of 50 symbols is far below it.
MAX_TARGET = 8190
MAX_HEADERS = 50
#: Everything before a request's body.
MAX_HEAD_BYTES = 32 * 1024
MAX_BODY_BYTES = 64 * 1024

_TOKEN = rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
_REQUEST_LINE = re.compile(rb"(" + _TOKEN + rb") ([!-~\x80-\xff]+) (HTTP/1\.[01])\r\n")
_HEADER = re.compile(rb"(" + _TOKEN + rb"):[ \t]*([\t -~\x80-\xff]*?)[ \t]*\r\n")
_HOST = re.compile(r"[\w.:%\[\]-]*", re.ASCII)
_LENGTH = re.compile(r"[0-9]{1,18}")


class BadRequest(Exception):
    """The bytes are not a request that the bridge accepts; the connection cannot be used any further."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


class Head(NamedTuple):
    """`path` and `query` as they were sent; `headers` under their names in a WSGI environment, repeated ones joined by commas."""

    method: str
    path: str
    query: str
    version: str
    headers: dict[str, str]
    body_bytes: int
    keep_alive: bool


def parse_head(lines: Sequence[bytes]) -> Head:
    """The request of these lines: the request line and the headers, each with its line end, without the empty line.

    Raises BadRequest.
    """
    found = _REQUEST_LINE.fullmatch(lines[0])
    if found is None:
        raise _unreadable("expected a request line such as GET / HTTP/1.1")
    method, target, version = (part.decode("latin-1") for part in found.groups())
    if len(target) > MAX_TARGET:
        raise BadRequest(414, "uri_too_long", f"the address has more than {MAX_TARGET} bytes")
    headers: dict[str, str] = {}
    for line in lines[1:]:
        header = _HEADER.fullmatch(line)
        if header is None:
            raise _unreadable("expected a header such as Name: value, on one line that ends with CR LF")
        name, value = _environ_name(header[1]), header[2].decode("latin-1")
        if name in headers:
            if name in _SINGLE:
                raise _unreadable(f"the header {header[1].decode()} is repeated")
            value = f"{headers[name]},{value}"
        if name:
            headers[name] = value
    _check_host(headers.get("HTTP_HOST"), version)
    path, query = _split(target)
    return Head(method, path, query, version, headers, _body_bytes(headers), _keep_alive(headers, version))


_SINGLE = ("HTTP_HOST", "CONTENT_LENGTH", "CONTENT_TYPE", "HTTP_TRANSFER_ENCODING", "HTTP_AUTHORIZATION")


@lru_cache(maxsize=1024)
def _environ_name(name: bytes) -> str:
    """A header's name in a WSGI environment; empty for one with an underscore, which there would look like another's."""
    if b"_" in name:
        return ""
    key = name.decode("latin-1").upper().replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else f"HTTP_{key}"


def _check_host(host: str | None, version: str) -> None:
    if host is None and version == "HTTP/1.1":
        raise _unreadable("expected one header Host")
    if host is not None and not _HOST.fullmatch(host):
        raise _unreadable("expected a name or an address, and perhaps a port, in the header Host")


def _body_bytes(headers: dict[str, str]) -> int:
    """The length of the body. Raises BadRequest where it cannot be known or is too large."""
    length = headers.get("CONTENT_LENGTH")
    if "HTTP_TRANSFER_ENCODING" in headers:
        if length is not None:
            raise _unreadable("expected either Content-Length or Transfer-Encoding")
        raise BadRequest(
            411, "length_required", "expected a body with Content-Length: a transfer coding is not accepted"
        )
    if length is None:
        return 0
    if not _LENGTH.fullmatch(length):
        raise _unreadable("expected a whole number in the header Content-Length")
    if int(length) > MAX_BODY_BYTES:
        raise BadRequest(413, "too_large", f"the body has more than {MAX_BODY_BYTES} bytes")
    return int(length)


def _keep_alive(headers: dict[str, str], version: str) -> bool:
    options = {option.strip() for option in headers.get("HTTP_CONNECTION", "").lower().split(",")}
    # What follows a wish to change the protocol may not be HTTP; the wish itself is not granted.
    if "close" in options or "upgrade" in options:
        return False
    return version == "HTTP/1.1" or "keep-alive" in options


def _split(target: str) -> tuple[str, str]:
    """Path and query; a proxy sends a whole URL."""
    scheme, found, rest = target.partition("://")
    if found and scheme.lower() in ("http", "https"):
        end = min((at for at in (rest.find("/"), rest.find("?")) if at >= 0), default=len(rest))
        target = rest[end:]
        target = target if target.startswith("/") else f"/{target}"
    path, _, query = target.partition("?")
    return path, query


def _unreadable(reason: str) -> BadRequest:
    return BadRequest(400, "bad_request", f"this cannot be read as a request: {reason}")
