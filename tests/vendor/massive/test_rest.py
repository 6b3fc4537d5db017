"""The vendor's REST through its own client, against a server that answers badly in every way, and the simulator's."""

from __future__ import annotations

import asyncio
import itertools
import logging
import math
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bar import Bar
from tests.ingest.repair.vendor import Asked, Reply, Vendor, bars_reply
from vendor.massive.rest import THREADS, TRIES, Pace, Refused, Unavailable, VendorRest, to_bar

T0 = 1_760_103_000_000
ROW = {"v": 300, "vw": 10.05, "o": 10.0, "c": 10.1, "h": 10.2, "l": 9.9, "t": T0, "n": 4}
BAR = Bar("AAPL", T0, 100_000, 102_000, 99_000, 101_000, 300, 30_150_000)


class Clock:
    """Monotonic time that passes when somebody waits."""

    def __init__(self) -> None:
        self.now = 100.0
        self.waits: list[float] = []

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds


def ask(vendor: Vendor, *, clock: Clock | None = None, key: str = "k", **more: Any) -> list[Bar]:
    """One `bars` call on a client whose waits take no time."""
    clock = clock or Clock()

    async def asked() -> list[Bar]:
        rest = VendorRest(vendor.url, key, 1000, pace=Pace(1000, clock), sleep=clock.sleep, **more)
        try:
            return await rest.bars("AAPL", 1_000, T0, T0 + 60_000)
        finally:
            rest.close()

    return asyncio.run(asked())


def script(*replies: Reply) -> Callable[[Asked], Reply]:
    """The replies in turn, the last one for ever."""
    count = itertools.count()
    return lambda asked: replies[min(next(count), len(replies) - 1)]


def test_bars_as_the_feed_would_tell_them() -> None:
    with Vendor(script(bars_reply([ROW, ROW | {"t": T0 + 5_000, "v": 2.5}]))) as vendor:
        assert ask(vendor, key="secret") == [BAR, BAR._replace(t=T0 + 5_000, v=2.5, n=251_250)]
        (asked,) = vendor.asked
    assert (asked.symbol, asked.unit, asked.start, asked.end) == ("AAPL", "second", T0, T0 + 60_000)
    assert asked.query == {"adjusted": "false", "sort": "asc", "limit": "50000"}
    assert asked.headers["Authorization"] == "Bearer secret"


def test_nothing_traded() -> None:
    with Vendor(script(bars_reply([]))) as vendor:
        assert ask(vendor) == []


def test_pages_follow_by_time_and_never_to_another_address() -> None:
    def answer(asked: Asked) -> Reply:
        rows = [ROW | {"t": t} for t in range(asked.start, asked.end + 1, 1_000)]
        return bars_reply(rows[:25], "http://192.0.2.1/steal" if len(rows) > 25 else "")

    with Vendor(answer) as vendor:
        bars = ask(vendor)
        assert [bar.t for bar in bars] == list(range(T0, T0 + 60_001, 1_000))
        assert [a.start for a in vendor.asked] == [T0, T0 + 25_000, T0 + 50_000]


def test_an_endless_next_page_ends() -> None:
    with Vendor(script(bars_reply([ROW], "/again"), bars_reply([], "/again"))) as vendor:
        assert ask(vendor) == [BAR]
        assert len(vendor.asked) == 2


def test_retry_after_is_honoured() -> None:
    clock = Clock()
    with Vendor(script(Reply(429, {}, {"Retry-After": "17"}), Reply(429), bars_reply([ROW]))) as vendor:
        assert ask(vendor, clock=clock) == [BAR]
        assert len(vendor.asked) == 3
    assert clock.waits == [pytest.approx(17), pytest.approx(1.0)]


def test_retry_after_may_be_a_date() -> None:
    clock = Clock()
    date = (datetime.now(UTC) + timedelta(seconds=90)).strftime("%a, %d %b %Y %H:%M:%S GMT")
    with Vendor(script(Reply(503, {}, {"Retry-After": date}), bars_reply([ROW]))) as vendor:
        assert ask(vendor, clock=clock) == [BAR]
    assert 60 < clock.waits[0] < 91


@pytest.mark.parametrize("text", ["soon", "-5", "nan", "1e300", ""])
def test_a_senseless_retry_after_neither_hurts_nor_blocks(text: str) -> None:
    clock = Clock()
    with Vendor(script(Reply(429, {}, {"Retry-After": text}), bars_reply([ROW]))) as vendor:
        assert ask(vendor, clock=clock) == [BAR]
    assert sum(clock.waits) <= 3_600


@pytest.mark.parametrize(
    "bad",
    [
        Reply(500), Reply(502, b"<html>"), Reply(408), Reply(200, b"{broken"), Reply(200, b""), Reply(200, b"\xff"),
        Reply(200, b'"text"'), Reply(200, {"status": "ERROR", "error": "x"}),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_then_left_for_later(bad: Reply) -> None:
    with Vendor(script(bad, bad, bars_reply([ROW]))) as vendor:
        assert ask(vendor) == [BAR]
    with Vendor(script(bad)) as vendor:
        with pytest.raises(Unavailable):
            ask(vendor)
        assert len(vendor.asked) == TRIES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_a_refusal_is_believed_at_once(status: int) -> None:
    with Vendor(script(Reply(status, {"status": "NOT_AUTHORIZED"}, {"Location": "http://192.0.2.1/"}))) as vendor:
        with pytest.raises(Refused, match=str(status)):
            ask(vendor)
        assert len(vendor.asked) == 1


def test_a_slow_answer_and_a_dead_server_are_left_for_later() -> None:
    with Vendor(script(Reply(200, {}, delay_s=0.5))) as vendor, pytest.raises(Unavailable):
        ask(vendor, read_timeout_s=0.05)
    with pytest.raises(Unavailable):
        ask(vendor)  # closed by now


def test_the_key_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tapewatch")
    with (
        Vendor(script(Reply(500, b"Bearer hunter2"), Reply(403, b"Bearer hunter2"))) as vendor,
        pytest.raises(Refused) as refused,
    ):
        ask(vendor, key="hunter2")
    assert "hunter2" not in caplog.text + str(refused.value)


def asked_at_once(replies: Callable[[Asked], Reply], per_second: float, times: int) -> list[float]:
    """When each of so many requests, made all at once, came to the server."""
    with Vendor(replies) as vendor:

        async def many() -> None:
            rest = VendorRest(vendor.url, "k", per_second)
            await asyncio.gather(*(rest.bars("AAPL", 1_000, T0, T0 + 1_000) for _ in range(times)))
            rest.close()

        asyncio.run(many())
        return [a.at for a in vendor.asked]


def test_requests_keep_their_distance_at_the_server() -> None:
    came = asked_at_once(script(bars_reply([ROW])), 40, 12)
    assert len(came) == 12
    assert came[-1] - came[0] > 0.9 * 11 / 40


@given(st.floats(0.01, 500), st.lists(st.one_of(st.floats(0, 5), st.none()), max_size=60))
def test_no_second_holds_more_requests_than_allowed(per_second: float, idle: list[float | None]) -> None:
    clock = Clock()
    pace = Pace(per_second, clock)
    taken = []
    for seconds in idle:
        clock.now += seconds or 0.0
        clock.sleep(pace.take())
        taken.append(clock.now)
    for first, second in itertools.pairwise(taken):
        assert second - first > 1 / per_second - 1e-9


def test_a_fraction_of_a_request_per_second() -> None:
    clock = Clock()
    pace = Pace(5 / 60, clock)
    assert [pace.take() for _ in range(3)] == [0, 12, 24]


def test_the_loop_turns_while_the_vendor_is_slow() -> None:
    with Vendor(script(Reply(200, {}, delay_s=0.3))) as vendor:

        async def watched() -> int:
            rest = VendorRest(vendor.url, "k", 50)
            task = asyncio.create_task(rest.bars("AAPL", 1_000, T0, T0))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            rest.close()
            return turns

        assert asyncio.run(watched()) >= 5


def test_several_requests_are_under_way_at_once() -> None:
    """Or slow answers would keep the rate down: here each is answered only when all have come."""
    all_here = threading.Barrier(THREADS, timeout=10)

    def answer(asked: Asked) -> Reply:
        all_here.wait()
        return bars_reply([ROW])

    with Vendor(answer) as vendor:

        async def many() -> list[list[Bar]]:
            rest = VendorRest(vendor.url, "k", 500)
            found = await asyncio.gather(*(rest.bars("AAPL", 1_000, T0, T0) for _ in range(THREADS)))
            rest.close()
            return found

        assert asyncio.run(many()) == [[BAR]] * THREADS


def test_a_pause_holds_for_all_that_is_under_way() -> None:
    """One request is told to wait; those that were waiting for their own turn wait as long."""
    came = asked_at_once(script(Reply(429, {}, {"Retry-After": "0.5"}), bars_reply([ROW])), 10, 3)
    assert len(came) == 4
    assert came[1] - came[0] > 0.45


def test_closed_while_waiting_for_its_turn() -> None:
    with Vendor(script(Reply(429, {}, {"Retry-After": "600"}))) as vendor:

        async def closed() -> None:
            rest = VendorRest(vendor.url, "k", 50)
            task = asyncio.create_task(rest.bars("AAPL", 1_000, T0, T0))
            while not vendor.asked:
                await asyncio.sleep(0.01)
            rest.close()
            with pytest.raises(Unavailable):
                await asyncio.wait_for(task, 5)
            with pytest.raises(Unavailable):
                await rest.bars("AAPL", 1_000, T0, T0)

        asyncio.run(closed())


@pytest.mark.parametrize(
    "change",
    [
        {"t": 0}, {"t": None}, {"o": None}, {"o": "x"}, {"h": 9.0}, {"l": 11.0}, {"c": math.inf}, {"l": -1.0}, {"v": -1},
        {"v": math.nan}, {"o": math.nan},
    ],
)  # fmt: skip
def test_an_aggregate_that_cannot_be_right_is_no_bar(change: dict[str, Any]) -> None:
    assert to_bar("AAPL", ROW, 1_000) == BAR
    assert to_bar("AAPL", ROW | change, 1_000) is None
    assert to_bar("AAPL", {k: v for k, v in ROW.items() if k not in change}, 1_000) is None


def test_an_aggregate_without_vwap_has_no_notional() -> None:
    assert to_bar("AAPL", {k: v for k, v in ROW.items() if k != "vw"}, 60_000) == BAR._replace(
        n=None, span=60_000, t=T0 - T0 % 60_000
    )


@given(st.recursive(st.none() | st.floats() | st.text(), lambda c: st.dictionaries(st.sampled_from("tohlcv"), c)))
def test_no_row_raises(row: Any) -> None:
    bar = to_bar("AAPL", row, 1_000)
    assert bar is None or bar.l is not None
