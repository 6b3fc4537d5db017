"""The same question, asked at once, is not worked on twice: the panels of a dashboard often share one."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future

#: How long after its making was begun an answer may serve: the panels of a dashboard ask within that time.
SERVES_S = 0.05
#: An empty list is not shared: who waits for the first row asks again and again.
_EMPTY = b"[]"


class Together:
    """Shares an answer among those who ask while it is made and, where the span of time is fixed, those who ask just after."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[bytes]] = {}
        self._made: dict[Hashable, tuple[float, bytes]] = {}  # with when it was begun; ascending

    def answer(self, question: Hashable, make: Callable[[], bytes], fixed: bool = False) -> bytes:
        """What `make` returns or raises, or the same of another's `make` for this question.

        `fixed`: the question names its span of time by both ends, as a dashboard's do, which moves on with each refresh. So
        only the panels of one refresh ask the same, and an answer that is up to SERVES_S old is none of an earlier one.
        """
        with self._lock:
            if fixed and (made := self._still_serves(question)) is not None:
                return made
            shared = self._under_way.get(question)
            if shared is None:
                mine = self._under_way[question] = Future()
        if shared is not None:
            return shared.result()
        began = self._clock()
        try:
            mine.set_result(make())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._under_way[question]
                if fixed and mine.exception() is None and mine.result() != _EMPTY:
                    self._made.pop(question, None)  # the newest is last
                    self._made[question] = began, mine.result()
        return mine.result()

    def _still_serves(self, question: Hashable) -> bytes | None:
        oldest = self._clock() - SERVES_S
        while self._made:
            first = next(iter(self._made))
            if self._made[first][0] >= oldest:
                break
            del self._made[first]
        made = self._made.get(question)
        return made[1] if made is not None and made[0] >= oldest else None
