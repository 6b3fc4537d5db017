"""Latency, age and lag of frames whose bars are on their way to Redis."""

from __future__ import annotations

from ingest.clock import Clock
from ingest.in_flight import InFlight
from ingest.stage_latency import StageLatency
from market.bar import Bar
from redis_functions.contract.schema import Schema
from redis_functions.write.writer import Writer

T = 1_760_104_800_000


class FixedClock(Clock):
    now = T

    def __call__(self) -> int:
        return self.now


def made(begun_after: int = 0) -> tuple[InFlight, Writer, FixedClock, StageLatency]:
    """Nothing is sent: the tests play Redis by moving `acknowledged`."""
    writer, clock, stages = Writer("unix:///nowhere", Schema()), FixedClock(), StageLatency()
    return InFlight(writer, clock, stages, begun_after), writer, clock, stages


def queue(flight: InFlight, writer: Writer, number: int, received_ms: int, bar_end_ms: int) -> None:
    writer.put([Bar("A", T, 1, 1, 1, 1, 1, 1)], [True])
    flight.queued(number, received_ms, bar_end_ms)


def test_a_frame_is_observed_when_redis_has_all_of_it() -> None:
    flight, writer, clock, stages = made()
    queue(flight, writer, 1, T - 40, T - 100)
    queue(flight, writer, 2, T - 20, T)
    assert flight.oldest_ms == T - 40
    writer.acknowledged = 1
    clock.now = T + 10
    flight.stored(0.004)
    assert (flight.oldest_ms, flight.lag_ms) == (T - 20, 110)
    writer.acknowledged = 2
    flight.stored(0.004)
    assert (flight.oldest_ms, flight.lag_ms) == (None, 10)
    assert (sum(stages.store.buckets), sum(stages.total.buckets)) == (2, 2)


def test_a_restated_bar_is_no_lag() -> None:
    flight, writer, clock, _ = made()
    queue(flight, writer, 1, T, T)
    queue(flight, writer, 2, T, T - 600_000)
    clock.now, writer.acknowledged = T + 5, 2
    flight.stored(0.001)
    assert flight.lag_ms == 5


def test_frames_of_an_earlier_process_are_no_latency() -> None:
    flight, writer, _, stages = made(begun_after=7)
    queue(flight, writer, 7, T - 3_600_000, T - 3_600_000)
    writer.acknowledged = 7
    flight.stored(0.001)
    assert (flight.oldest_ms, flight.lag_ms, sum(stages.total.buckets)) == (None, 0, 0)


def test_a_frame_without_bars_does_not_wait() -> None:
    flight, writer, _, _ = made()
    flight.queued(1, T, 0)
    assert (flight.oldest_ms, writer.acknowledged) == (None, 1)
