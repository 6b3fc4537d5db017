"""The vendor's REST against a server that answers badly in every way."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import itertools
import json
import logging
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.bar import Bar
from tests.ingest.repair.vendor import Asked, Reply, Vendor, bars_reply
from vendor.interface import RestConfig, RestRefused, RestUnavailable
from vendor.massive import http
from vendor.massive.http import AT_ONCE, TRIES, Pace
from vendor.massive.rest import HttpRest

T0 = 1_760_103_000_000
ROW = {"v": 300, "vw": 10.05, "o": 10.0, "c": 10.1, "h": 10.2, "l": 9.9, "t": T0, "n": 4}
BAR = Bar("AAPL", T0, 100_000, 102_000, 99_000, 101_000, 300, 30_150_000)


class Clock:
    """Monotonic time that passes when somebody waits."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waits: list[float] = []

    def now(self) -> float:
        return self.time

    async def wait(self, seconds: float, ended: asyncio.Event) -> None:
        self.waits.append(seconds)
        self.time += seconds


def ask(vendor: Vendor, *, clock: Clock | None = None, key: str = "k") -> list[Bar]:
    """One `bars` call on a client whose waits take no time."""

    async def asked() -> list[Bar]:
        rest = HttpRest(RestConfig(vendor.url, key, 1000), clock or Clock())
        try:
            return (await rest.bars("AAPL", 1_000, T0, T0 + 60_000)).bars
        finally:
            await rest.close()

    return asyncio.run(asked())


def script(*replies: Reply) -> Callable[[Asked], Reply]:
    """The replies in turn, the last one for ever."""
    count = itertools.count()
    return lambda asked: replies[min(next(count), len(replies) - 1)]


def test_bars_as_the_feed_would_send_them() -> None:
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
        Reply(200, b'"text"'), Reply(200, b"{}", {"Content-Encoding": "br"}), Reply(200, b"{}", {"Content-Encoding": "gzip"}),
        Reply(200, gzip.compress(b"{}")[:-3], {"Content-Encoding": "gzip"}), Reply(200, {"status": "ERROR", "error": "x"}),
    ],
)  # fmt: skip
def test_what_may_pass_is_tried_again_and_then_left_for_later(bad: Reply) -> None:
    with Vendor(script(bad, bad, bars_reply([ROW]))) as vendor:
        assert ask(vendor) == [BAR]
    with Vendor(script(bad)) as vendor:
        with pytest.raises(RestUnavailable):
            ask(vendor)
        assert len(vendor.asked) == TRIES


@pytest.mark.parametrize("status", [400, 401, 403, 404, 302])
def test_what_will_not_pass_is_not_asked_again(status: int) -> None:
    with Vendor(script(Reply(status, {"status": "NOT_AUTHORIZED"}, {"Location": "http://192.0.2.1/"}))) as vendor:
        with pytest.raises(RestRefused, match=str(status)):
            ask(vendor)
        assert len(vendor.asked) == 1


def test_a_slow_answer_and_a_dead_server_are_left_for_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.05)
    with Vendor(script(Reply(200, {}, delay_s=0.5))) as vendor, pytest.raises(RestUnavailable):
        ask(vendor)
    with pytest.raises(RestUnavailable):
        ask(vendor)  # closed by now


def test_the_key_is_in_no_message(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "tapewatch")
    with (
        Vendor(script(Reply(500, b"Bearer hunter2"), Reply(403, b"Bearer hunter2"))) as vendor,
        pytest.raises(RestRefused) as refused,
    ):
        ask(vendor, key="hunter2")
    assert "hunter2" not in caplog.text + str(refused.value)


def asked_at_once(replies: Callable[[Asked], Reply], per_second: float, times: int) -> list[float]:
    """When each of so many requests, made all at once after a first one, came to the server."""
    with Vendor(replies) as vendor:

        async def many() -> None:
            rest = HttpRest(RestConfig(vendor.url, "k", per_second))
            await rest.bars("AAPL", 1_000, T0, T0)  # what is loaded for the first one delays it
            vendor.asked.clear()
            await asyncio.gather(*(rest.bars("AAPL", 1_000, T0, T0 + 1_000) for _ in range(times)))
            await rest.close()

        asyncio.run(many())
        return [a.at for a in vendor.asked]


def test_requests_keep_their_distance_at_the_server() -> None:
    came = asked_at_once(script(bars_reply([ROW])), 40, 12)
    assert len(came) == 12
    assert came[-1] - came[0] > 0.9 * 11 / 40


@given(st.floats(0.01, 500), st.lists(st.one_of(st.floats(0, 5), st.none()), max_size=60))
def test_no_second_holds_more_requests_than_allowed(per_second: float, idle: list[float | None]) -> None:
    now, pace = 100.0, Pace(per_second)
    taken = []
    for seconds in idle:
        now += seconds or 0.0
        now += pace.take(now)
        taken.append(now)
    for first, second in itertools.pairwise(taken):
        assert second - first > 1 / per_second - 1e-9


def test_a_fraction_of_a_request_per_second() -> None:
    pace = Pace(5 / 60)
    assert [pace.take(100.0) for _ in range(3)] == [0, 12, 24]


def test_the_loop_turns_while_the_vendor_is_slow() -> None:
    with Vendor(script(Reply(200, {}, delay_s=0.3))) as vendor:

        async def watched() -> int:
            rest = HttpRest(RestConfig(vendor.url, "k", 50))
            task = asyncio.create_task(rest.bars("AAPL", 1_000, T0, T0))
            turns = 0
            while not task.done():
                await asyncio.sleep(0.01)
                turns += 1
            await rest.close()
            return turns

        assert asyncio.run(watched()) >= 5


def test_several_requests_are_under_way_at_once() -> None:
    """Or slow answers would keep the rate down: here each is answered only when all have come."""
    all_here = threading.Barrier(AT_ONCE, timeout=10)

    def answer(asked: Asked) -> Reply:
        all_here.wait()
        return bars_reply([ROW])

    with Vendor(answer) as vendor:

        async def many() -> list[list[Bar]]:
            rest = HttpRest(RestConfig(vendor.url, "k", 500))
            found = await asyncio.gather(*(rest.bars("AAPL", 1_000, T0, T0) for _ in range(AT_ONCE)))
            await rest.close()
            return [one.bars for one in found]

        assert asyncio.run(many()) == [[BAR]] * AT_ONCE


def test_a_pause_holds_for_all_that_is_under_way() -> None:
    """One request is asked to wait; those that were waiting for their own turn wait as long."""
    came = asked_at_once(script(bars_reply([ROW]), Reply(429, {}, {"Retry-After": "0.5"}), bars_reply([ROW])), 10, 3)
    assert len(came) == 4
    assert came[1] - came[0] > 0.45


def test_closed_while_waiting_for_its_turn() -> None:
    with Vendor(script(Reply(429, {}, {"Retry-After": "600"}))) as vendor:

        async def closed() -> None:
            rest = HttpRest(RestConfig(vendor.url, "k", 50))
            task = asyncio.create_task(rest.bars("AAPL", 1_000, T0, T0))
            while not vendor.asked:
                await asyncio.sleep(0.01)
            await rest.close()
            with pytest.raises(RestUnavailable):
                await asyncio.wait_for(task, 5)
            with pytest.raises(RestUnavailable):
                await rest.bars("AAPL", 1_000, T0, T0)

        asyncio.run(closed())


def test_a_packed_answer() -> None:
    body = gzip.compress(json.dumps({"results": [ROW]}).encode())
    with Vendor(script(Reply(200, body, {"Content-Encoding": "gzip"}))) as vendor:
        assert ask(vendor) == [BAR]
        assert vendor.asked[0].headers["Accept-Encoding"] == "gzip"


def test_an_answer_that_unpacks_to_very_much_costs_no_memory() -> None:
    """300 MB of blanks in 300 kB: it is given up at the limit, and nothing but the limit was ever held."""
    packer = zlib.compressobj(9, wbits=zlib.MAX_WBITS | 16)
    blanks = bytes(1 << 20).replace(b"\0", b" ")
    raw = b"".join(packer.compress(blanks) for _ in range(300)) + packer.flush()
    with Vendor(script(Reply(200, raw, {"Content-Encoding": "gzip"}))) as vendor:
        tracemalloc.start()
        with pytest.raises(RestUnavailable, match="more than 64 MiB"):
            ask(vendor)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert len(vendor.asked) == 1
    assert peak < 2.5 * http.ANSWER_BYTES


def test_a_plain_answer_of_very_much_ends_at_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ANSWER_BYTES", 1 << 20)
    with (
        Vendor(script(Reply(200, b" " * (3 << 20)))) as vendor,
        pytest.raises(RestUnavailable, match="more than 1 MiB"),
    ):
        ask(vendor)


@pytest.mark.parametrize("after", [0, 12, 40], ids=["at once", "in the head", "in the body"])
def test_an_answer_that_drips_is_given_up(after: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """One byte each 20 ms is never late by itself; the whole answer is."""
    monkeypatch.setattr(http, "ANSWER_S", 0.3)
    monkeypatch.setattr(http, "TRIES", 1)
    answer = b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n" + b" " * 900

    async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError), contextlib.closing(writer):
            writer.write(answer[:after])
            for at in range(after, len(answer)):
                writer.write(answer[at : at + 1])
                await writer.drain()
                await asyncio.sleep(0.02)
        gone.set()

    gone = asyncio.Event()

    async def asked() -> None:
        async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            rest = HttpRest(RestConfig(f"http://127.0.0.1:{port}", "k", 1000))
            with pytest.raises(RestUnavailable, match=r"no whole answer within 0\.3 s"):
                await asyncio.wait_for(rest.bars("AAPL", 1_000, T0, T0), 5)
            await rest.close()
            await asyncio.wait_for(gone.wait(), 5)  # the client has closed the connection

    asyncio.run(asked())


def test_one_value_that_is_no_json_costs_its_row_only(caplog: pytest.LogCaptureFixture) -> None:
    rows = [ROW, ROW | {"t": T0 + 1_000, "o": "HERE"}, ROW | {"t": T0 + 2_000}]
    for odd in (b"NaN", b"1e999", b"9" * 500, b'"\xff"', b"null"):
        body = json.dumps({"status": "OK", "results": rows}).encode().replace(b'"HERE"', odd)
        with Vendor(script(Reply(200, body))) as vendor:
            assert [bar.t for bar in ask(vendor)] == [T0, T0 + 2_000], odd
    assert caplog.text.count("set aside 1 rows") == 5


@pytest.mark.parametrize("results", [7, "x", {"AAPL": {"c": 1}}, True])
def test_an_answer_of_another_shape_is_left_for_later(results: Any) -> None:
    async def closes() -> None:
        rest = HttpRest(RestConfig(vendor.url, "k", 1000))
        for asked in (rest.closes(date(2026, 9, 8)), rest.sale_conditions(), rest.bars("A", 1_000, T0, T0)):
            with pytest.raises(RestUnavailable, match="another shape"):
                await asked
        await rest.close()

    with Vendor(script(Reply(200, {"results": results}))) as vendor:
        asyncio.run(closes())


@pytest.mark.parametrize("base", ["http://192.0.2.1", "http://rest.example:80/v1"])
def test_the_key_goes_unencrypted_to_no_other_machine(base: str) -> None:
    async def asked(config: RestConfig) -> None:
        with pytest.raises(RestRefused, match="TAPEWATCH_ALLOW_PLAINTEXT_KEY"):
            await HttpRest(config).bars("AAPL", 1_000, T0, T0)

    asyncio.run(asked(RestConfig(base, "secret-key", 1000)))
