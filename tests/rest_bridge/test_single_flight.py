"""One answer for those who ask the same at the same time, and of a fixed span also for those who ask just after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rest_bridge.single_flight import SERVES_S, SingleFlight
from tests.support import wait_until


class Maker:
    """Makes an answer when it is let go, and knows how often it was asked to."""

    def __init__(self, error: Exception | None = None) -> None:
        self.calls = 0
        self.begun, self.go = threading.Event(), threading.Event()
        self._error = error

    def __call__(self) -> bytes:
        self.calls += 1
        self.begun.set()
        assert self.go.wait(10)
        if self._error is not None:
            raise self._error
        return b"answer %d" % self.calls


def asked_at_once(together: SingleFlight, make: Maker, times: int) -> list[bytes | BaseException]:
    """What each of so many threads got that asked while the first was being answered."""
    joined = threading.Semaphore(0)

    def ask() -> bytes:
        joined.release()
        return together.answer("q", make)

    with ThreadPoolExecutor(times) as pool:
        futures = [pool.submit(ask)]
        assert make.begun.wait(10)
        futures += [pool.submit(ask) for _ in range(times - 1)]
        for _ in range(times):
            assert joined.acquire(timeout=10)
        # All but the maker stand in the wait for the shared answer.
        wait_until(lambda: waiting(together) == times - 1, 10, "those who wait")
        make.go.set()
        return [future.exception() or future.result() for future in futures]


def waiting(together: SingleFlight) -> int:
    """How many threads wait for an answer that another one makes."""
    (shared,) = together._under_way.values()
    return shared.waiting


def test_the_same_question_at_the_same_time_is_answered_once() -> None:
    together, make = SingleFlight(), Maker()
    assert asked_at_once(together, make, 4) == [b"answer 1"] * 4
    assert make.calls == 1


def test_whoever_asks_after_the_answer_has_it_made_anew() -> None:
    together, make = SingleFlight(), Maker()
    make.go.set()
    assert [together.answer("q", make) for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_a_fixed_span_is_answered_once_for_all_panels_of_a_refresh() -> None:
    now = [100.0]
    together, make = SingleFlight(lambda: now[0]), Maker()
    make.go.set()

    def ask(question: str) -> bytes:
        return together.answer(question, make, fixed=True)

    assert [ask("q"), ask("other"), ask("q")] == [b"answer 1", b"answer 2", b"answer 1"]
    now[0] += SERVES_S * 0.9
    assert ask("q") == b"answer 1"
    now[0] += SERVES_S * 0.2
    assert [ask("q"), ask("q")] == [b"answer 3", b"answer 3"]
    assert together.answer("q", make) == b"answer 4"  # one who does not name the span is told what is there now
    assert len(together._made) == 1


def test_nothing_yet_is_asked_for_anew_each_time() -> None:
    together, told = SingleFlight(), iter([b"[]", b"[]", b"[1]", b"[2]"])
    assert [together.answer("q", lambda: next(told), fixed=True) for _ in range(4)] == [b"[]", b"[]", b"[1]", b"[1]"]


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    together, error = SingleFlight(), ValueError("no")
    assert asked_at_once(together, Maker(error), 3) == [error] * 3
    make = Maker()
    make.go.set()
    assert together.answer("q", make) == b"answer 1"


def test_other_questions_do_not_wait() -> None:
    together, slow, quick = SingleFlight(), Maker(), Maker()
    quick.go.set()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(together.answer, "slow", slow)
        assert slow.begun.wait(10)
        assert together.answer("quick", quick) == b"answer 1"
        slow.go.set()
        assert held.result(10) == b"answer 1"


def test_a_refusal_is_raised_for_the_one_who_asks() -> None:
    make = Maker(KeyError("x"))
    make.go.set()
    with pytest.raises(KeyError):
        SingleFlight().answer("q", make)
