"""Single-flight: the same question, asked at once, is worked on once; the panels of a dashboard often share one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable, Mapping
from types import MappingProxyType
from typing import NamedTuple

from rest_bridge.work_queue import Dropped

#: How long after work on it began an answer is shared: the panels of a dashboard ask within that time.
SHARED_S = 0.05
#: An empty list is not shared: who waits for the first row asks again and again.
_EMPTY = b"[]"


class Written(NamedTuple):
    """An answer: its body, headers beside those that every answer has, and what parameters the question for the next page has in
    place of this one's (see page.Page)."""

    body: bytes
    headers: Mapping[str, str] = MappingProxyType({})
    link: Mapping[str, str] = MappingProxyType({})


class _Flight:
    """An answer that is being made or has been. `followers`: how many wait for it besides the one who makes it."""

    __slots__ = ("answer", "error", "followers")

    def __init__(self) -> None:
        self.answer: Written | None = None
        self.error: BaseException | None = None
        self.followers = 0

    @property
    def landed(self) -> bool:
        return self.answer is not None or self.error is not None

    @property
    def dropped(self) -> bool:
        return isinstance(self.error, Dropped)

    def result(self) -> Written:
        """The answer. Raises the error that making it raised."""
        """The answer. Raises the error that making it raised."""
        if self.error is not None:
            raise self.error
        assert self.answer is not None
        return self.answer


class SingleFlight:
    """Shares an answer among those who ask while it is made and, where the span of time is fixed, those who ask just after."""

    def __init__(self, clock: Callable[[], float] = time.monotonic, patience_s: float = 5.0) -> None:
        """Who has waited for `patience_s` does not make an answer that another one was dropped for."""
        self._clock, self._patience_s = clock, patience_s
        self._changed = threading.Condition(threading.Lock())
        self._flights: dict[Hashable, _Flight] = {}
        self._recent: dict[Hashable, tuple[float, Written]] = {}  # with when work began; ascending

    def answer(self, question: Hashable, make: Callable[[], Written], fixed: bool = False) -> Written:
        """What `make` returns or raises, or the same of another's `make` for this question. That another's was dropped
        (work_queue.Dropped) concerns that one alone: the next makes the answer, unless it has waited too long itself.

        `fixed`: the question names its span of time by both ends, as a dashboard's do, which moves on with each refresh. So
        only the panels of one refresh ask the same, and an answer that is up to SHARED_S old is none of an earlier one.
        """
        asked = self._clock()
        with self._changed:
            while True:
                if fixed and (recent := self._shared(question)) is not None:
                    return recent
                if not (flight := self._flights.get(question)):
                    break
                self._follow(flight)
                if not flight.dropped or self._clock() - asked >= self._patience_s:
                    return flight.result()
            mine = self._flights[question] = _Flight()
        began = self._clock()
        answer: Written | None = None
        error: BaseException | None = None
        try:
            answer = make()
        except BaseException as raised:
            error = raised
        with self._changed:
            # All in one step: who found a flight that was dropped and still listed would look at it for ever, the lock in hand.
            mine.answer, mine.error = answer, error
            del self._flights[question]
            if fixed and answer is not None and answer.body != _EMPTY:
                self._recent.pop(question, None)  # the newest is last
                self._recent[question] = began, answer
            if mine.followers:
                self._changed.notify_all()
        return mine.result()

    def _follow(self, flight: _Flight) -> None:
        flight.followers += 1
        self._changed.wait_for(lambda: flight.landed)

    def _shared(self, question: Hashable) -> Written | None:
        oldest = self._clock() - SHARED_S
        while self._recent:
            first = next(iter(self._recent))
            if self._recent[first][0] >= oldest:
                break
            del self._recent[first]
        recent = self._recent.get(question)
        return recent[1] if recent is not None and recent[0] >= oldest else None
