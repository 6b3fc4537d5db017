"""Replies counted or taken apart: the same as an independent parser finds, wherever the stream is cut."""

from __future__ import annotations

from typing import Any

import hiredis
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from redis_functions.write.replies import Replies

GOOD = [b"+OK\r\n", b":0\r\n", b":-1\r\n", b"*2\r\n:1760103000000\r\n:1\r\n", b"+a-b\r\n"]
BAD = [b"-ERR no\r\n", b"*2\r\n:1\r\n-TSDB: too old\r\n", b"*1\r\n-ERR\r\n"]
#: They may not be counted: their text is not their own lines.
STRINGS = [b"$4\r\n\r\n-x\r\n", b"$-1\r\n", b"*1\r\n$3\r\na\nb\r\n", b"$2\r\n-1\r\n"]

counted = st.tuples(st.just(True), st.lists(st.sampled_from(GOOD * 3 + BAD), min_size=1, max_size=8))
clean = st.tuples(st.just(True), st.lists(st.sampled_from(GOOD), min_size=1, max_size=8))
parsed = st.tuples(st.just(False), st.lists(st.sampled_from(GOOD + BAD + STRINGS), min_size=1, max_size=5))
Request = tuple[bool, list[bytes]]


def good_lines(reply: bytes) -> int:
    """The lines that a reply has when no error stands in its place."""
    return 3 if reply == BAD[0] else reply.count(b"\n")  # the error of a whole command stands for an array of two


def comparable(replies: list[Any]) -> list[Any]:
    """Replies in a form in which exceptions compare by their text."""
    return [comparable(r) if isinstance(r, list) else repr(r) if isinstance(r, Exception) else r for r in replies]


def by_hiredis(replies: list[bytes]) -> list[Any]:
    reader = hiredis.Reader()
    reader.feed(b"".join(replies))
    return comparable([reader.gets() for _ in replies])


def play(requests: list[Request], cuts: list[int], ahead: int) -> list[list[Any]]:
    """Feeds all replies, cut at `cuts`; so many requests are sent before the first comes, the others as answers come."""
    replies = Replies()
    waiting = list(requests)

    def send(count: int) -> None:
        for is_counted, texts in waiting[:count]:
            replies.expect(len(texts), sum(map(good_lines, texts)) if is_counted else 0)
        del waiting[:count]

    send(max(ahead, 1))
    answered: list[list[Any]] = []
    stream = b"".join(b"".join(texts) for _, texts in requests)
    sent_to = sum(len(b"".join(texts)) for _, texts in requests[: max(ahead, 1)])
    at = 0
    while at < len(stream):
        if at == sent_to:  # Redis cannot answer what it was not sent
            sent_to += len(b"".join(waiting[0][1]))
            send(1)
        end = min([cut for cut in cuts if cut > at] + [sent_to])
        answered += replies.feed(stream[at:end])
        at = end
    return answered


@settings(max_examples=600, deadline=None)
@given(
    st.lists(counted | clean | parsed, min_size=1, max_size=8),
    st.lists(st.integers(1, 400), max_size=30).map(sorted),
    st.integers(1, 8),
)
@example([(True, [GOOD[0]] * 3), (True, [GOOD[0], BAD[0]]), (True, [GOOD[1]])], [15, 20], 8)
def test_whatever_comes_is_what_an_independent_parser_finds(
    requests: list[Request], cuts: list[int], ahead: int
) -> None:
    answered = play(requests, cuts, ahead)
    assert len(answered) == len(requests)
    for (is_counted, texts), replies in zip(requests, answered, strict=True):
        # Only what was counted without an error may be left out.
        if replies or not is_counted or any(text in BAD for text in texts):
            assert comparable(replies) == by_hiredis(texts)


@given(
    st.lists(clean, min_size=1, max_size=8), st.lists(st.integers(1, 400), max_size=30).map(sorted), st.integers(1, 8)
)
def test_without_an_error_nothing_counted_is_taken_apart(requests: list[Request], cuts: list[int], ahead: int) -> None:
    assert play(requests, cuts, ahead) == [[] for _ in requests]


@pytest.mark.parametrize("cut", range(1, len(b"+OK\r\n-ERR no\r\n")))
def test_an_error_is_seen_wherever_the_stream_is_cut(cut: int) -> None:
    replies, stream = Replies(), b"+OK\r\n-ERR no\r\n"
    replies.expect(2, 4)
    (found,) = [*replies.feed(stream[:cut]), *replies.feed(stream[cut:])]
    assert comparable(found) == [b"OK", "ReplyError('ERR no')"]


def test_after_an_error_lines_are_counted_again() -> None:
    replies = Replies()
    for _ in range(3):
        replies.expect(1, 1)
    assert [len(replies.feed(data)[0]) for data in (b"+OK\r\n", b"-ERR\r\n", b"+OK\r\n")] == [0, 1, 0]
