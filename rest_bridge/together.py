"""The same question, asked while it is being answered, is not worked on twice: a dashboard's panels often share one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future


class Together:
    """Nothing is kept: who asks after the answer is there has it made anew, so no answer is older than its making."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._under_way: dict[Hashable, Future[bytes]] = {}

    def answer(self, question: Hashable, make: Callable[[], bytes]) -> bytes:
        """What `make` returns or raises, or the same of another thread's `make` that is under way for this question."""
        with self._lock:
            shared = self._under_way.get(question)
            if shared is None:
                mine = self._under_way[question] = Future()
        if shared is not None:
            return shared.result()
        try:
            mine.set_result(make())
        except BaseException as error:
            mine.set_exception(error)
        finally:
            with self._lock:
                del self._under_way[question]
        return mine.result()
