"""The head of a request: read by RFC 9112, and an error wherever two servers could differ."""

from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest_bridge.request_head import MAX_BODY_BYTES, MAX_TARGET, BadRequest, Head, parse_head


def read(raw: bytes) -> Head:
    return parse_head(raw.splitlines(keepends=True))


def test_a_request() -> None:
    head = read(b"GET /p%C3%BC?symbol=BRK.B&to=5 HTTP/1.1\r\nHost: box:8080\r\nAccept: a\r\nACCEPT:b \r\nX_Y: z\r\n")
    assert head == Head(
        "GET", "/p%C3%BC", "symbol=BRK.B&to=5", "HTTP/1.1", {"HTTP_HOST": "box:8080", "HTTP_ACCEPT": "a,b"}, 0, True
    )


def test_a_body_is_announced_by_its_length() -> None:
    head = read(b"PUT /x HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n")
    assert (head.headers["CONTENT_TYPE"], head.headers["CONTENT_LENGTH"], head.body_bytes) == ("text/plain", "2", 2)
    assert head.keep_alive


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://box/a?b=c", "/a", "b=c"),
        (b"HTTP://box", "/", ""),
        (b"http://box?b=c", "/", "b=c"),
        (b"/a?b?c=/d", "/a", "b?c=/d"),
        (b"/a?b=http://c/d", "/a", "b=http://c/d"),
        (b"//a", "//a", ""),
        (b"/%zz", "/%zz", ""),
        (b"*", "*", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    head = read(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n")
    assert (head.path, head.query) == (path, query)


@pytest.mark.parametrize(
    ("raw", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: TE, Close\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: h2c\r\n", False),
        (b"GET / HTTP/1.0\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n", True),
    ],
)
def test_who_may_ask_again(raw: bytes, keep_alive: bool) -> None:
    assert read(raw).keep_alive == keep_alive


@given(st.lists(st.binary(max_size=60), min_size=1, max_size=6))
def test_any_lines_are_a_request_or_an_error(lines: list[bytes]) -> None:
    with suppress(BadRequest):
        head = parse_head(lines)
        assert 0 <= head.body_bytes <= MAX_BODY_BYTES
        assert not set("\r\n\0") & set("".join([*head.headers, *head.headers.values(), head.path, head.query]))


@given(st.text(st.characters(min_codepoint=0, max_codepoint=255), max_size=20))
def test_a_header_cannot_bring_another(value: str) -> None:
    with suppress(BadRequest):
        head = parse_head([b"GET / HTTP/1.1\r\n", b"Host: x\r\n", f"X: {value}\r\n".encode("latin-1")])
        assert set(head.headers) == {"HTTP_HOST", "HTTP_X"}


HOST = b"GET / HTTP/1.1\r\nHost: a\r\n"


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/9.9\r\n", 400),
        (b"GET /\r\n", 400),
        (b"GET  / HTTP/1.1\r\nHost: a\r\n", 400),
        (b"GET / HTTP/1.1\nHost: a\r\n", 400),
        (b"GET /\x85 HTTP/1.1 \r\nHost: a\r\n", 400),
        (b"\x16\x03\x01\x00\x0d\x0a", 400),
        (b"GET / HTTP/1.1\r\n", 400),
        (HOST + b"Host: b\r\n", 400),
        (HOST + b"Host: a\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a, b\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a/b@c\r\n", 400),
        (HOST + b"X: 1\r\n 2\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost:\r\n a\r\n", 400),
        (HOST + b"X : 1\r\n", 400),
        (HOST + b"X: 1\n", 400),
        (HOST + b"X: 1\x002\r\n", 400),
        (HOST + b"no colon\r\n", 400),
        (HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n", 400),
        (HOST + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (HOST + b"Content-Length: +1\r\n", 400),
        (HOST + b"Content-Length: 1_0\r\n", 400),
        (HOST + b"Content-Length: -1\r\n", 400),
        (HOST + b"Content-Length:\r\n", 400),
        (HOST + b"Content-Length: " + b"9" * 30 + b"\r\n", 400),
        (HOST + b"Content-Length: %d\r\n" % (MAX_BODY_BYTES + 1), 413),
        (HOST + b"Transfer-Encoding: chunked\r\n", 411),
        (b"GET /" + b"A" * MAX_TARGET + b" HTTP/1.1\r\n", 414),
    ],
)
def test_what_is_no_request(raw: bytes, status: int) -> None:
    with pytest.raises(BadRequest) as error:
        read(raw)
    assert error.value.status == status
    assert str(error.value)
