"""The vendor's connection: reconnects, backoff, and secrets that are never logged."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from tests import fake_vendor as v
from tests.fake_vendor import KEY, Vendor, second_bar
from tests.vendor.massive.feed_reader import Reader, T, with_vendor
from vendor.interface import FeedRefused
from vendor.massive import feed as module
from vendor.massive import websocket
from vendor.massive.feed import backoff
from vendor.massive.websocket import MAX_FRAME_BYTES


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "LAST_RETRY_S", 0.02)
    monkeypatch.setattr(module, "COOL_DOWN_S", 0.03)


@pytest.fixture
def resets(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One item each time that the backoff restarts."""
    begun: list[int] = []

    def counted() -> Iterator[float]:
        begun.append(1)
        return backoff()

    monkeypatch.setattr(module, "backoff", counted)
    return begun


# --- what is survived


@pytest.mark.parametrize("moment", ["greeting", "auth", "ack"])
def test_the_connection_limit_cools_down_whenever_it_is_said(
    moment: str, monkeypatch: pytest.MonkeyPatch, resets: list[int]
) -> None:
    waits: list[float] = []
    sleep = asyncio.sleep

    async def noted(seconds: float, result: Any = None) -> Any:
        if seconds >= 500:
            waits.append(seconds)
            seconds = 0
        return await sleep(seconds, result)

    monkeypatch.setattr(module, "COOL_DOWN_S", 500.0)
    monkeypatch.setattr(asyncio, "sleep", noted)

    async def work(vendor: Vendor) -> None:
        vendor.faults[moment] = [v.LIMIT, v.LIMIT]
        reader = Reader(vendor)
        await reader.until(lambda: vendor.connections == 3 and vendor.open)
        await vendor.send(second_bar("F", T))
        await reader.next_frame()
        assert len(waits) == 2
        assert all(500 <= w <= 650 for w in waits)
        await reader.stop()

    with_vendor(work)
    assert len(resets) == 2  # at the beginning, and by the first data


def test_the_limit_said_together_with_the_good_answer_counts(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(vendor: Vendor) -> None:
        original = v.status

        def both(*pairs: tuple[str, str], market: str = "") -> str:
            return original(v.AUTHENTICATED, v.LIMIT) if pairs == (v.AUTHENTICATED,) else original(*pairs)

        monkeypatch.setattr(v, "status", both)
        reader = Reader(vendor)
        await reader.until(lambda: "connection limit" in caplog.text)
        await reader.stop()

    with_vendor(work)


@pytest.mark.parametrize("fault", [v.TIMED_OUT, ("slow_consumer", "too slow"), ("force_disconnect", "bye")])
def test_other_endings_are_retried(fault: tuple[str, str], caplog: pytest.LogCaptureFixture) -> None:
    async def work(vendor: Vendor) -> None:
        vendor.faults["auth"] = [fault]
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.send_text(v.status(fault))
        await reader.until(lambda: vendor.connections == 3 and vendor.open)
        assert reader.states == ["connected", f"{fault[0]}: {fault[1]}", "connected"]
        await reader.stop()

    with_vendor(work)
    assert caplog.text.count(fault[1]) == 2


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (lambda vendor: vendor.drop(), "without a close frame"),
        (lambda vendor: vendor.close(1000), "closed the connection: 1000"),
        (lambda vendor: vendor.close(1008, "policy"), "closed the connection: 1008 policy"),
        (lambda vendor: vendor.close(1012), "closed the connection: 1012"),
        (lambda vendor: vendor.send_text(b"x" * (MAX_FRAME_BYTES + 1)), "without a close frame"),
    ],
    ids=["drop", "clean", "policy", "restart", "too large"],
)
def test_every_way_of_losing_the_connection_is_survived(end: Any, reason: str) -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        for n in range(3):
            await reader.until(lambda: vendor.open)
            await vendor.send(second_bar("F", T + n * 1000))
            assert (await reader.next_frame())[0]["s"] == T + n * 1000
            await end(vendor)
            await reader.until(lambda least=n + 2: vendor.connections >= least)  # type: ignore[misc]
        await reader.until(lambda: reader.feed.is_connected)
        assert [r for r in reader.states if r != "connected" and reason not in r] == []
        assert reader.states.count("connected") == 4
        await reader.stop()

    with_vendor(work)


def test_a_server_that_stops_answering_pings_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "PING_S", 0.1)

    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.stall()
        await reader.until(lambda: vendor.connections == 2)
        await reader.stop()

    with_vendor(work)


def test_the_end_does_not_wait_for_a_server_that_hangs() -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.stall()
        async with asyncio.timeout(5):
            await reader.stop()

    with_vendor(work)


def test_data_that_stops_flowing_means_a_new_connection_but_a_quiet_night_does_not() -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor, stall=0.2)
        await reader.until(lambda: vendor.open)
        await asyncio.sleep(0.6)
        assert vendor.connections == 1
        await vendor.send(second_bar("F", T))
        await reader.until(lambda: vendor.connections == 2 and vendor.open)
        await reader.stop()

    with_vendor(work)


@pytest.mark.parametrize("moment", ["greeting", "auth"])
def test_a_server_that_never_answers_is_tried_anew(moment: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.1)

    async def work(vendor: Vendor) -> None:
        vendor.mute_at = moment
        reader = Reader(vendor)
        await reader.until(lambda: vendor.connections == 3)
        vendor.mute_at = None
        await reader.until(lambda: vendor.open)
        await reader.stop()

    with_vendor(work)


def test_a_server_that_is_not_there_or_no_feed_is_waited_for(caplog: pytest.LogCaptureFixture) -> None:
    async def work() -> None:
        async def page(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.readline()
            writer.write(b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 0\r\n\r\n")
            writer.close()

        async with Vendor() as vendor:
            pass
        reader = Reader(vendor)
        await reader.until(lambda: "cannot connect" in caplog.text)
        async with await asyncio.start_server(page, "127.0.0.1", vendor._port):
            await reader.until(lambda: "503" in caplog.text)
        async with vendor:
            await reader.until(lambda: vendor.open)
            await reader.stop()

    asyncio.run(work())


@pytest.mark.parametrize(
    "location", ["ws://192.0.2.1/steal", "http://[not-an-address", "/elsewhere", "", "ws://h:99999/", "\x1b[2J"]
)
def test_a_redirect_is_one_more_failed_try_and_followed_nowhere(
    location: str, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[bytes] = []

    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode())
        writer.close()

    async def work() -> None:
        async with Vendor() as vendor:
            pass
        async with await asyncio.start_server(redirect, "127.0.0.1", vendor._port):
            reader = Reader(vendor)
            await reader.until(lambda: len(asked) >= 3)
        async with vendor:
            await reader.until(lambda: vendor.open)
            await reader.stop()

    asyncio.run(work())
    assert {line.split()[1] for line in asked} == {b"/stocks"}


def test_only_data_resets_the_backoff(resets: list[int]) -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        for connection in range(1, 6):
            await reader.until(lambda n=connection: vendor.connections == n and vendor.open)  # type: ignore[misc]
            await vendor.drop()  # after greeting, auth and acknowledgement, but without data
            await reader.until(lambda: not vendor.open)
        assert len(resets) == 1
        await reader.until(lambda: vendor.connections == 6 and vendor.open)
        await vendor.send(second_bar("F", T))
        await reader.next_frame()
        assert len(resets) == 2
        await reader.stop()

    with_vendor(work)


def test_waits_double_with_jitter_up_to_a_cap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.5)
    monkeypatch.setattr(module, "LAST_RETRY_S", 30.0)
    delays = [delay for delay, _ in zip(backoff(), range(30), strict=False)]
    for n, delay in enumerate(delays):
        base = min(0.5 * 2**n, 30)
        assert 0.6 * base <= delay <= 1.4 * base
    assert len(set(delays)) == 30


# --- what is never logged


def test_the_key_never_appears_in_what_is_logged_or_raised(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="tapewatch")

    async def work(vendor: Vendor) -> None:
        vendor.faults["auth"] = [("auth_timeout", f"no auth for {KEY} in time"), ("auth_failed", f"unknown key {KEY}")]
        reader = Reader(vendor)
        with pytest.raises(FeedRefused) as error:
            await reader.task
        assert KEY not in str(error.value)
        assert "unknown key" in str(error.value)
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.send_text(v.status(("warning", f"{KEY} is about to expire")))
        await vendor.send(second_bar("F", T))
        await reader.next_frame()
        await vendor.close(1008, KEY)
        await reader.until(lambda: vendor.connections == 4 and vendor.open)
        await reader.stop()

    with_vendor(work)
    assert "about to expire" in caplog.text
    assert KEY not in caplog.text


def test_a_secret_in_the_address_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, logger="tapewatch")

    async def work(vendor: Vendor) -> None:
        class Elsewhere(Vendor):
            url = vendor.url.replace("ws://", "ws://user:secret-word@") + "?apiKey=secret-word"

        reader = Reader(Elsewhere())
        await reader.until(lambda: "connected to" in caplog.text)
        await reader.stop()

    with_vendor(work)
    assert "secret-word" not in caplog.text
    assert "/stocks" in caplog.text
