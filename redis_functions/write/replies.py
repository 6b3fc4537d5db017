"""The server's bytes taken apart into the replies to each request, in order; no I/O.

On the hot path replies are not read as long as none is an error, and the number of reply lines is then known
beforehand. So lines are counted, several times cheaper than taking them apart, until one is an error.
"""

from __future__ import annotations

from collections import deque
from typing import Any

import hiredis


class Replies:
    """`expect` for each request that is sent, `feed` for all that comes."""

    def __init__(self) -> None:
        self._due: deque[tuple[int, int]] = deque()  # commands and lines of each request
        # While lines are counted: what came since the first request that is due began to be answered, how many lines at its
        # beginning are still answers to the one before, and how many lines came after those.
        self._kept: list[bytes] = []
        self._foreign = 0
        self._lines = 0
        self._parsing = False  # what is due is in hiredis
        self._reader = hiredis.Reader()
        self._taken: list[Any] = []  # replies to the first request that is due

    def expect(self, commands: int, lines: int = 0) -> None:
        """A request of so many commands; `lines`: what the replies have when none is an error, if that is known.

        Only integers, statuses and arrays of them may be counted: a string may hold line ends of its own.
        """
        self._due.append((commands, lines))

    def feed(self, data: bytes) -> list[list[Any]]:
        """What is complete now: for each request its replies, errors among them as exceptions, or an empty list where the
        lines were counted and there is no error."""
        if not self._parsing:
            if self._due and self._due[0][1] and not self._has_error(data):
                answered = self._count(data)
                if not self._due or self._due[0][1]:
                    return answered
                self._begin_parsing()
                return answered + self._parse()
            self._begin_parsing()
        self._reader.feed(data)
        return self._parse()

    def _has_error(self, data: bytes) -> bool:
        # An error may begin exactly where the chunk does.
        return b"\n-" in data or (data.startswith(b"-") and (not self._kept or self._kept[-1].endswith(b"\n")))

    def _count(self, data: bytes) -> list[list[Any]]:
        self._kept.append(data)
        came = data.count(b"\n")
        self._lines += came
        answered: list[list[Any]] = []
        while self._due and 0 < self._due[0][1] <= self._lines:
            self._lines -= self._due.popleft()[1]
            answered.append([])
        if answered:
            self._kept = [data]
            self._foreign = came - self._lines
        return answered

    def _begin_parsing(self) -> None:
        """Hands hiredis what was only counted, from the first reply to the request that is due."""
        self._parsing = True
        came = b"".join(self._kept)
        self._reader.feed(came.split(b"\n", self._foreign)[-1])
        self._kept, self._foreign, self._lines = [], 0, 0

    def _parse(self) -> list[list[Any]]:
        answered: list[list[Any]] = []
        gets = self._reader.gets
        while self._due:
            needed, taken = self._due[0][0], self._taken
            while len(taken) < needed:
                reply = gets()
                if reply is False:
                    return answered
                taken.append(reply)
            self._due.popleft()
            answered.append(taken)
            self._taken = []
            if not self._reader.has_data():
                self._parsing = False
                break
        return answered
