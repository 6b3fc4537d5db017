"""A client's bytes as requests: whole however they are cut, and refused where they are none."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rest_bridge.request_reader import MAX_HEAD_BYTES, MAX_HEADERS, MAX_TARGET, Request, RequestReader, Unreadable

ASK = b"GET /api/v1/candles?symbol=BRK.B&to=5 HTTP/1.1\r\nHost: box:8080\r\nAccept: a\r\nACCEPT: b\r\nX_Y: z\r\n\r\n"
WITH_BODY = b"POST /p%C3%BC HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nab"


def read(*parts: bytes) -> list[Request]:
    reader = RequestReader({"REMOTE_ADDR": "10.0.0.1"})
    return [request for part in parts for request in reader.feed(part)]


def test_a_request_as_an_environment() -> None:
    (request,) = read(ASK)
    assert request.keep_alive
    environ = dict(request.environ)
    assert environ.pop("wsgi.input").read() == b""
    assert environ == {
        "REMOTE_ADDR": "10.0.0.1",
        "REQUEST_METHOD": "GET",
        "PATH_INFO": "/api/v1/candles",
        "QUERY_STRING": "symbol=BRK.B&to=5",
        "RAW_URI": "/api/v1/candles?symbol=BRK.B&to=5",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "box:8080",
        "HTTP_ACCEPT": "a,b",
    }


def test_a_path_is_unquoted_as_wsgi_wants_it_and_a_body_is_the_end() -> None:
    (request,) = read(WITH_BODY + ASK)
    assert request.environ["PATH_INFO"].encode("latin-1").decode() == "/pü"
    assert (request.environ["CONTENT_TYPE"], request.environ["CONTENT_LENGTH"]) == ("text/plain", "2")
    assert not request.keep_alive


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"http://box/a?b=c", "/a", "b=c"),
        (b"http://box", "/", ""),
        (b"/a?b?c=/d", "/a", "b?c=/d"),
        (b"//a", "//a", ""),
        (b"/%zz", "/%zz", ""),
    ],
)
def test_targets(target: bytes, path: str, query: str) -> None:
    (request,) = read(b"GET " + target + b" HTTP/1.1\r\nHost: x\r\n\r\n")
    assert (request.environ["PATH_INFO"], request.environ["QUERY_STRING"]) == (path, query)


@pytest.mark.parametrize(
    ("raw", "keep_alive"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", True),
        (b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", False),
    ],
)
def test_who_may_ask_again(raw: bytes, keep_alive: bool) -> None:
    assert [request.keep_alive for request in read(raw)] == [keep_alive]


@given(st.lists(st.sampled_from([ASK, ASK.replace(b"BRK.B", b"A")]), max_size=4), st.booleans(), st.data())
def test_however_it_is_cut_it_is_the_same(asked: list[bytes], body: bool, data: st.DataObject) -> None:
    raw = b"".join(asked) + WITH_BODY * body
    cuts = sorted(data.draw(st.lists(st.integers(0, len(raw)), max_size=8)))
    bounds = [0, *cuts, len(raw)]
    parts = [raw[a:b] for a, b in pairwise(bounds)]
    found = read(*[part for part in parts if part])
    assert [request.environ["RAW_URI"] for request in found] == [
        r.environ["RAW_URI"] for one in asked for r in read(one)
    ] + ["/p%C3%BC"] * body
    assert [request.keep_alive for request in found] == [True] * len(asked) + [False] * body


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_any_bytes_are_requests_or_refused(first: bytes, second: bytes) -> None:
    with suppress(Unreadable):
        for request in read(*(part for part in (first, second) if part)):
            assert request.environ["REQUEST_METHOD"].isupper()


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"GET / HTTP/9.9\r\n\r\n", 400),
        (b"\x16\x03\x01\x00\x0d\x0a\x0d\x0a", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (b"GET /" + b"A" * MAX_TARGET + b" HTTP/1.1\r\n", 414),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * (MAX_HEADERS + 2), 431),
        (b"GET / HTTP/1.1\r\nX: " + b"y" * MAX_HEAD_BYTES, 431),
        (b"\r\n" * MAX_HEAD_BYTES, 431),
    ],
)
def test_what_is_no_request(raw: bytes, status: int) -> None:
    with pytest.raises(Unreadable) as whole:
        read(raw)
    assert whole.value.status == status
    with pytest.raises(Unreadable) as drop_by_drop:
        read(*(raw[i : i + 7] for i in range(0, len(raw), 7)))
    assert drop_by_drop.value.status == status
    assert str(whole.value)
