"""The same question, asked at once, is not worked on twice: the panels of a dashboard often share one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable

#: How long after its making was begun an answer may serve: the panels of a dashboard ask within that time.
SERVES_S = 0.05
#: An empty list is not shared: who waits for the first row asks again and again.
_EMPTY = b"[]"


class _Answer:
    """One that is being made or has been. `waiting`: how many want it besides the one who makes it."""

    __slots__ = ("body", "error", "waiting")

    def __init__(self) -> None:
        self.body: bytes | None = None
        self.error: BaseException | None = None
        self.waiting = 0

    @property
    def made(self) -> bool:
        return self.body is not None or self.error is not None

    def take(self) -> bytes:
        if self.error is not None:
            raise self.error
        assert self.body is not None
        return self.body


class SingleFlight:
    """Shares an answer among those who ask while it is made and, where the span of time is fixed, those who ask just after."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._changed = threading.Condition(threading.Lock())
        self._under_way: dict[Hashable, _Answer] = {}
        self._made: dict[Hashable, tuple[float, bytes]] = {}  # with when it was begun; ascending

    def answer(self, question: Hashable, make: Callable[[], bytes], fixed: bool = False) -> bytes:
        """What `make` returns or raises, or the same of another's `make` for this question.

        `fixed`: the question names its span of time by both ends, as a dashboard's do, which moves on with each refresh. So
        only the panels of one refresh ask the same, and an answer that is up to SERVES_S old is none of an earlier one.
        """
        with self._changed:
            if fixed and (made := self._still_serves(question)) is not None:
                return made
            if shared := self._under_way.get(question):
                shared.waiting += 1
                self._changed.wait_for(lambda: shared.made)
                return shared.take()
            mine = self._under_way[question] = _Answer()
        began = self._clock()
        try:
            mine.body = make()
        except BaseException as error:
            mine.error = error
        with self._changed:
            del self._under_way[question]
            if fixed and mine.body is not None and mine.body != _EMPTY:
                self._made.pop(question, None)  # the newest is last
                self._made[question] = began, mine.body
            if mine.waiting:
                self._changed.notify_all()
        return mine.take()

    def _still_serves(self, question: Hashable) -> bytes | None:
        oldest = self._clock() - SERVES_S
        while self._made:
            first = next(iter(self._made))
            if self._made[first][0] >= oldest:
                break
            del self._made[first]
        made = self._made.get(question)
        return made[1] if made is not None and made[0] >= oldest else None
