"""Who works, who waits, and who is not worked on at all."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from rest_bridge.config import Limits
from rest_bridge.work_queue import Dropped, WorkQueue
from tests.support import wait_until


def stays() -> bool:
    return False


class Worker:
    """A thread that takes a place and keeps it until it is let go."""

    def __init__(self, queue: WorkQueue, address: str) -> None:
        self.working, self.go, self.dropped = threading.Event(), threading.Event(), threading.Event()
        self._queue, self._address = queue, address
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        try:
            with self._queue.place(self._address, stays):
                self.working.set()
                assert self.go.wait(10)
        except Dropped:
            self.dropped.set()

    def end(self) -> None:
        self.go.set()
        self._thread.join(10)


@contextmanager
def workers(queue: WorkQueue, *addresses: str) -> Iterator[list[Worker]]:
    """One after the other, each at work or in the queue before the next comes."""
    found: list[Worker] = []
    try:
        for address in addresses:
            _start(queue, address, found)
        yield found
    finally:
        for worker in found:
            worker.end()


def _start(queue: WorkQueue, address: str, found: list[Worker]) -> None:
    before = len(queue._waiting)
    worker = Worker(queue, address)
    found.append(worker)
    wait_until(
        lambda: worker.working.is_set() or len(queue._waiting) > before, 10, "its place, or its place in the queue"
    )


def at_work(found: list[Worker]) -> list[bool]:
    return [worker.working.is_set() for worker in found]


def test_an_address_has_at_most_a_third_of_the_places_where_others_work_too() -> None:
    queue = WorkQueue(Limits(at_work=9))
    with workers(queue, *"abc", *"abc", *"abc", *"abc") as found:
        assert at_work(found) == [True] * 9 + [False] * 3


def test_an_address_alone_leaves_a_third_of_the_places_free() -> None:
    queue = WorkQueue(Limits(at_work=8))
    with workers(queue, *["a"] * 7, "b", "b", "b") as found:
        assert at_work(found) == [True] * 6 + [False] + [True, True, False]
        for worker in found[:4]:
            worker.end()
        assert found[9].working.wait(10)


def test_a_trusted_proxy_has_as_many_as_there_are() -> None:
    queue = WorkQueue(Limits(at_work=3, trusted_proxies=("p",)))
    with workers(queue, "p", "p", "p", "p") as found:
        assert at_work(found) == [True, True, True, False]


def test_a_free_place_goes_to_the_address_that_has_fewest() -> None:
    queue = WorkQueue(Limits(at_work=6))
    with workers(queue, "a", "b", "b", "c", "c", "d", "a", "e") as found:
        assert at_work(found) == [True] * 6 + [False] * 2
        found[5].end()
        assert found[7].working.wait(10)  # e has none, a has one and asked before it
        assert not found[6].working.is_set()
        found[7].end()
        assert found[6].working.wait(10)


def test_who_waited_too_long_is_dropped_and_takes_no_place_later() -> None:
    queue = WorkQueue(Limits(at_work=1, queue_s=0.05))
    with workers(queue, "a", "b") as (first, second):
        assert second.dropped.wait(10)
        first.end()
        with queue.place("c", stays):
            assert not second.working.is_set()


def test_nobody_works_for_a_client_that_is_gone() -> None:
    queue = WorkQueue(Limits(at_work=1))
    with pytest.raises(Dropped) as error, queue.place("a", lambda: True):
        raise AssertionError("it was worked on")
    assert error.value.status == 503
    with ExitStack() as stack:  # the place is free again
        stack.enter_context(queue.place("a", stays))


def test_a_client_that_is_gone_does_not_wait_for_a_place() -> None:
    queue = WorkQueue(Limits(at_work=1, queue_s=3_600))
    with workers(queue, "a"), pytest.raises(Dropped, match="closed"), queue.place("b", lambda: True):
        raise AssertionError("it was worked on")


def test_an_error_gives_the_place_back() -> None:
    queue = WorkQueue(Limits(at_work=1))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), queue.place("a", stays):
            raise ZeroDivisionError
