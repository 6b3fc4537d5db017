"""Ranges of series: the quick reading of replies against the general one, and connections that break."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.exceptions import BusyLoadingError, RedisError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import TimeoutError as RedisTimeoutError

from market.price import NO_NOTIONAL
from redis_functions.read.ranges import Range, Samples, _parse_any, _parse_numbers, read_edges, read_ranges
from redis_functions.server.connection import connect_reader


def plain(samples: Samples) -> list[tuple[int, float]]:
    return list(zip(samples.t.tolist(), samples.v.tolist(), strict=True))


def put(redis: Redis, key: str, *samples: tuple[int, float], retention: int = 0) -> None:
    redis.execute_command("TS.CREATE", key, "RETENTION", retention)
    for t, value in samples:
        redis.execute_command("TS.ADD", key, t, value)


def test_numbers_come_back_as_they_were(redis: Redis) -> None:
    values = [0, -3, 0.1, 1e-7, 12.5, 2**53 - 1, 123456789012.25, NO_NOTIONAL, 5e300]
    samples = [(1_760_103_000_000 + i, float(v)) for i, v in enumerate(values)]
    put(redis, "a", *samples)
    (got,) = read_ranges(redis, [Range("a", 0, 2**53)])
    assert plain(got) == samples
    assert not got.more


def test_the_newest_ascend_and_tell_of_more(redis: Redis) -> None:
    put(redis, "a", *((i, i) for i in range(1, 6)))
    two, all_five, six, none = read_ranges(
        redis, [Range("a", 0, 9, 2), Range("a", 0, 9, 5), Range("a", 0, 9, 6), Range("a", 7, 9, 2)]
    )
    assert plain(two) == [(4, 4), (5, 5)]
    assert (two.more, all_five.more, six.more, none.more) == (True, True, False, False)
    assert plain(none) == []


def test_a_missing_series_is_empty_and_shifts_no_other(redis: Redis) -> None:
    put(redis, "a", (1, 10))
    put(redis, "b", (2, 20))
    got = read_ranges(redis, [Range("a", 0, 9), Range("none", 0, 9), Range("b", 0, 9)])
    assert [plain(samples) for samples in got] == [[(1, 10)], [], [(2, 20)]]


def test_a_key_of_another_type_has_no_samples(redis: Redis) -> None:
    redis.set("text", "x")
    put(redis, "a", (1, 10))
    got = read_ranges(redis, [Range("a", 0, 9), Range("text", 0, 9)])
    assert [plain(samples) for samples in got] == [[(1, 10)], []]


def test_after_an_error_the_connection_goes_on(redis: Redis) -> None:
    put(redis, "a", (1, 10))
    for _ in range(3):
        with pytest.raises(ResponseError, match="TSDB"):
            read_ranges(redis, [Range("a", 0, 9), Range("a", 0, 9, mean_ms=-1)])
        assert plain(read_ranges(redis, [Range("a", 0, 9)])[0]) == [(1, 10)]


def test_the_open_bucket_and_means(redis: Redis) -> None:
    put(redis, "a")
    put(redis, "rolled")
    redis.execute_command("TS.CREATERULE", "a", "rolled", "AGGREGATION", "last", 10)
    for t in (1, 5, 11, 15):
        redis.execute_command("TS.ADD", "a", t, t)
    closed, latest, means = read_ranges(
        redis, [Range("rolled", 0, 99), Range("rolled", 0, 99, 5, latest=True), Range("a", 0, 99, 5, mean_ms=10)]
    )
    assert plain(closed) == [(0, 5)]
    assert plain(latest) == [(0, 5), (10, 15)]
    assert plain(means) == [(0, 3), (10, 13)]


def test_edges_are_what_retention_keeps(redis: Redis) -> None:
    put(redis, "forever", (5000, 1))
    put(redis, "short", (5000, 1), retention=1000)
    assert read_edges(redis, ["short", "forever", "none"]) == [4000, 0, 0]
    assert read_edges(redis, []) == []


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 2**53), st.floats(allow_nan=False, allow_infinity=False))), max_size=5)
)
def test_both_ways_of_reading_agree(series: list[list[tuple[int, float]]]) -> None:
    raw = b""
    for samples in series:
        raw += b"*%d\r\n" % len(samples)
        raw += b"".join(b"*2\r\n:%d\r\n+%s\r\n" % (t, repr(v).replace("e+", "E").encode()) for t, v in samples)
    asked = [Range("", 0, 0, newest) for newest in (0, 1, 2, 3, 4)][: len(series)]
    quick = _parse_numbers(asked, raw)
    for one, other, samples, requested in zip(quick, _parse_any(asked, raw), series, asked, strict=True):
        assert plain(one) == plain(other) == (samples[::-1] if requested.newest else samples)
        assert one.more == other.more


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[Redis, list[bytes]]]:
    """A client of a server that answers each connection's first command with the next of the given replies, and hangs up."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(tmp_path / "s"))
    listener.listen()
    replies: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            with client:
                while b"RANGE" not in (words := client.recv(65536)):
                    if not words:
                        break
                    client.sendall(b"+OK\r\n" * words.count(b"*"))
                else:
                    client.sendall(replies.pop(0))

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with connect_reader(f"unix://{tmp_path}/s", timeout=5) as client:
        yield client, replies
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join(5)


WHOLE = b"*1\r\n*2\r\n:1\r\n+2.5\r\n+PONG\r\n"


def test_a_connection_that_dies_in_a_reply_is_tried_once_more(server: tuple[Redis, list[bytes]]) -> None:
    client, replies = server
    replies += [b"", WHOLE, WHOLE[:12], WHOLE]
    for _ in range(2):
        assert plain(read_ranges(client, [Range("a", 0, 9)])[0]) == [(1, 2.5)]
    assert replies == []
    replies += [WHOLE[:12], b""]
    with pytest.raises(RedisConnectionError):
        read_ranges(client, [Range("a", 0, 9)])


def test_a_server_that_is_loading_is_told_apart(server: tuple[Redis, list[bytes]]) -> None:
    client, replies = server
    replies.append(b"-LOADING Redis is loading the dataset in memory\r\n+PONG\r\n")
    with pytest.raises(BusyLoadingError):
        read_ranges(client, [Range("a", 0, 9)])


def test_a_server_that_does_not_answer_is_a_timeout(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        with connect_reader(f"unix://{tmp_path}/s", timeout=0.05) as client, pytest.raises(RedisTimeoutError):
            read_ranges(client, [Range("a", 0, 9)])


def test_no_server_at_all(tmp_path: Path) -> None:
    with connect_reader(f"unix://{tmp_path}/none") as client, pytest.raises(RedisError):
        read_ranges(client, [Range("a", 0, 9)])
