"""Who gives way when too many connections are open, or too many bytes are being sent."""

from __future__ import annotations

from contextlib import ExitStack

from rest_bridge.config import Limits
from rest_bridge.connections import Connections


class One:
    def __init__(self, address: str) -> None:
        self.address, self.aborted = address, False

    def abort(self) -> None:
        self.aborted = True


def opened(connections: Connections, *addresses: str) -> list[One]:
    found = [One(address) for address in addresses]
    assert all(connections.add(one) for one in found)
    return found


def test_an_address_has_so_many_and_its_oldest_without_a_request_gives_way() -> None:
    connections = Connections(Limits(connections_per_address=2))
    a1, a2, _b = opened(connections, "a", "a", "b")
    assert not connections.add(One("a"))  # both have a request under way
    with connections.waiting(a2), connections.waiting(a1):
        assert connections.add(One("a"))
    assert (a1.aborted, a2.aborted) == (False, True)
    assert len(connections) == 3


def test_when_all_are_taken_the_one_that_waits_for_longest_gives_way() -> None:
    connections = Connections(Limits(connections=3))
    first, second, _third = opened(connections, "a", "b", "c")
    assert not connections.add(One("d"))
    with connections.waiting(second), connections.waiting(first):
        assert connections.add(One("d"))
    assert (first.aborted, second.aborted) == (False, True)
    connections.remove(second)  # its own end, which comes later, is not counted again
    assert len(connections) == 3


def test_a_trusted_proxy_has_as_many_as_there_are() -> None:
    connections = Connections(Limits(connections_per_address=1, trusted_proxies=("p",)))
    opened(connections, "p", "p", "p", "a")
    assert not connections.add(One("a"))


def test_of_too_many_bytes_the_address_that_has_most_gives_way() -> None:
    connections = Connections(Limits(in_flight_bytes=100))
    hog1, hog2, other = opened(connections, "hog", "hog", "other")
    with ExitStack() as stack:
        stack.enter_context(connections.sending(hog1, 40))
        stack.enter_context(connections.sending(other, 30))
        stack.enter_context(connections.sending(hog2, 30))
        assert not any(one.aborted for one in (hog1, hog2, other))
        late = One("late")
        with connections.sending(late, 35):
            assert [one.aborted for one in (hog1, hog2, other, late)] == [True, False, False, False]
    with connections.sending(other, 100):
        assert not other.aborted  # what was cut is counted no more


def test_what_is_under_way_is_not_ended_with_those_that_wait() -> None:
    connections = Connections(Limits())
    idle, busy = opened(connections, "a", "a")
    with connections.waiting(idle):
        connections.end_waiting()
    assert (idle.aborted, busy.aborted) == (True, False)
