"""The queue for work: a bounded number of requests at once, no address with all places, no endless wait."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rest_bridge.config import Limits
from rest_bridge.errors import ApiError


class Dropped(ApiError):
    """The question is not worked on: its client is gone, or it waited too long. Others who ask the same are not concerned."""


class _Waiter:
    __slots__ = ("address", "turn")

    def __init__(self, address: str) -> None:
        self.address = address
        self.turn = threading.Event()


class WorkQueue:
    """`at_work` places. An address has at most a third of them, and more only while another third stays free, so that another
    address never waits for it. A place that becomes free goes to the address that has fewest, and among equals to who has
    waited for longest."""

    def __init__(self, limits: Limits) -> None:
        self._wait_s = limits.queue_s
        self._free = limits.at_work
        self._share = max(1, limits.at_work // 3)
        self._exempt = limits.trusted_proxies
        self._at_work: Counter[str] = Counter()
        self._waiting: list[_Waiter] = []
        self._lock = threading.Lock()

    @contextmanager
    def place(self, address: str, client_gone: Callable[[], bool]) -> Iterator[None]:
        """A place at work. Raises Dropped (503) where none became free in time, or the client did not wait for it."""
        self._enter(address, client_gone)
        try:
            _check_stays(client_gone)
            yield
        finally:
            with self._lock:
                self._leave(address)

    def _enter(self, address: str, client_gone: Callable[[], bool]) -> None:
        with self._lock:
            if self._free and self._may_work(address):
                self._take(address)
                return
            _check_stays(client_gone)
            waiter = _Waiter(address)
            self._waiting.append(waiter)
        waiter.turn.wait(self._wait_s)
        with self._lock:
            if waiter.turn.is_set():
                return
            self._waiting.remove(waiter)
        raise Dropped(503, "overloaded", f"the bridge is busy: no place at work in {self._wait_s:g} s", retry_after_s=1)

    def _may_work(self, address: str) -> bool:
        return self._at_work[address] < self._share or self._free > self._share or address in self._exempt

    def _take(self, address: str) -> None:
        self._free -= 1
        self._at_work[address] += 1

    def _leave(self, address: str) -> None:
        self._free += 1
        self._at_work[address] -= 1
        if not self._at_work[address]:
            del self._at_work[address]
        able = [waiter for waiter in self._waiting if self._may_work(waiter.address)]
        if able:
            following = min(able, key=lambda waiter: self._at_work[waiter.address])
            self._waiting.remove(following)
            self._take(following.address)
            following.turn.set()


def _check_stays(client_gone: Callable[[], bool]) -> None:
    """Raises Dropped where nobody waits for the answer."""
    if client_gone():
        raise Dropped(503, "client_gone", "the client has closed the connection")
