"""One answer for those who ask the same at the same time, and of a fixed span also for those who ask just after."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from rest_bridge.single_flight import SHARED_S, SingleFlight, Written
from rest_bridge.work_queue import Dropped
from tests.support import wait_until


class Maker:
    """Makes an answer when it is let go, and knows how often it was asked to."""

    def __init__(self, error: Exception | None = None, errors: int = 1000) -> None:
        """`error` is raised by the first so many calls."""
        self.calls, self._errors = 0, errors
        self.begun, self.go = threading.Event(), threading.Event()
        self._error = error

    def __call__(self) -> Written:
        self.calls += 1
        self.begun.set()
        assert self.go.wait(10)
        if self._error is not None and self.calls <= self._errors:
            raise self._error
        return Written(b"answer %d" % self.calls)


def asked_at_once(flights: SingleFlight, make: Maker, times: int) -> list[bytes | BaseException]:
    """What each of so many threads got that asked while the first was being answered."""
    joined = threading.Semaphore(0)

    def ask() -> bytes:
        joined.release()
        return flights.answer("q", make).body

    with ThreadPoolExecutor(times) as pool:
        futures = [pool.submit(ask)]
        assert make.begun.wait(10)
        futures += [pool.submit(ask) for _ in range(times - 1)]
        for _ in range(times):
            assert joined.acquire(timeout=10)
        # All but the maker stand in the wait for the shared answer.
        wait_until(lambda: waiting(flights) == times - 1, 10, "those who wait")
        make.go.set()
        return [future.exception() or future.result() for future in futures]


def waiting(flights: SingleFlight) -> int:
    """How many threads wait for an answer that another one makes."""
    (shared,) = flights._flights.values()
    return shared.followers


def test_the_same_question_at_the_same_time_is_answered_once() -> None:
    flights, make = SingleFlight(), Maker()
    assert asked_at_once(flights, make, 4) == [b"answer 1"] * 4
    assert make.calls == 1


def test_whoever_asks_after_the_answer_has_it_recent_anew() -> None:
    flights, make = SingleFlight(), Maker()
    make.go.set()
    assert [flights.answer("q", make).body for _ in range(2)] == [b"answer 1", b"answer 2"]


def test_a_fixed_span_is_answered_once_for_all_panels_of_a_refresh() -> None:
    now = [100.0]
    flights, make = SingleFlight(lambda: now[0]), Maker()
    make.go.set()

    def ask(question: str) -> bytes:
        return flights.answer(question, make, fixed=True).body

    assert [ask("q"), ask("other"), ask("q")] == [b"answer 1", b"answer 2", b"answer 1"]
    now[0] += SHARED_S * 0.9
    assert ask("q") == b"answer 1"
    now[0] += SHARED_S * 0.2
    assert [ask("q"), ask("q")] == [b"answer 3", b"answer 3"]
    assert flights.answer("q", make).body == b"answer 4"  # one who does not name the span gets what is there now
    assert len(flights._recent) == 1


def test_nothing_yet_is_asked_for_anew_each_time() -> None:
    flights, answers = SingleFlight(), map(Written, [b"[]", b"[]", b"[1]", b"[2]"])
    found = [flights.answer("q", lambda: next(answers), fixed=True).body for _ in range(4)]
    assert found == [b"[]", b"[]", b"[1]", b"[1]"]


def test_an_error_is_everybodys_and_is_not_kept() -> None:
    flights, error = SingleFlight(), ValueError("no")
    assert asked_at_once(flights, Maker(error), 3) == [error] * 3
    make = Maker()
    make.go.set()
    assert flights.answer("q", make).body == b"answer 1"


def test_a_question_that_was_dropped_is_answered_for_the_others() -> None:
    """The client of the first has gone: that is no error of the others, of whom one makes the answer."""
    flights, dropped = SingleFlight(), Dropped(503, "client_gone", "gone")
    first, *others = asked_at_once(flights, Maker(dropped, errors=1), 3)
    assert first is dropped
    assert all(isinstance(other, bytes) for other in others)


def test_who_has_waited_too_long_does_not_begin_anew() -> None:
    flights, dropped = SingleFlight(patience_s=0), Dropped(503, "overloaded", "busy")
    assert asked_at_once(flights, Maker(dropped, errors=1), 3) == [dropped] * 3


def test_one_that_was_dropped_while_another_asks_is_made_by_that_one() -> None:
    """The second asks in the moment in which the first has been dropped and waits for the lock to report it."""
    second_asks = threading.Event()
    dropped, made = Maker(Dropped(503, "client_gone", "gone")), Maker()
    made.go.set()

    def clock() -> float:
        if second_asks.is_set() and threading.current_thread().name == "second":
            dropped.go.set()  # called with the lock in hand
            first.join(0.2)
        return 0.0

    flights = SingleFlight(clock)
    found: list[bytes] = []

    def ask_first() -> None:
        with pytest.raises(Dropped):
            flights.answer("q", dropped, True)

    first = threading.Thread(target=ask_first, daemon=True)
    second = threading.Thread(
        target=lambda: found.append(flights.answer("q", made, True).body), name="second", daemon=True
    )
    first.start()
    assert dropped.begun.wait(10)
    second_asks.set()
    second.start()
    second.join(10)
    assert found == [b"answer 1"]


def test_other_questions_do_not_wait() -> None:
    flights, slow, quick = SingleFlight(), Maker(), Maker()
    quick.go.set()
    with ThreadPoolExecutor(1) as pool:
        held = pool.submit(flights.answer, "slow", slow)
        assert slow.begun.wait(10)
        assert flights.answer("quick", quick).body == b"answer 1"
        slow.go.set()
        assert held.result(10).body == b"answer 1"


def test_an_error_is_raised_for_the_one_who_asks() -> None:
    make = Maker(KeyError("x"))
    make.go.set()
    with pytest.raises(KeyError):
        SingleFlight().answer("q", make)
