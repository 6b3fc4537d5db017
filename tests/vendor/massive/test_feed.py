"""The vendor's connection: the ordinary course, and what ends it for good."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import time

import pytest

from tests import fake_vendor as v
from tests.fake_vendor import KEY, Vendor, second_bar
from tests.vendor.massive.feed_reader import Reader, T, with_vendor
from vendor.interface import FeedRefused
from vendor.massive import feed as module


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_RETRY_S", 0.01)
    monkeypatch.setattr(module, "LAST_RETRY_S", 0.02)
    monkeypatch.setattr(module, "COOL_DOWN_S", 0.03)


# --- the ordinary course


def test_it_authenticates_subscribes_and_hands_on_every_frame_in_order() -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor, "A.*, T.BRK.B,LULD.*")
        await reader.until(lambda: vendor.open)
        for n in range(50):
            await vendor.send(second_bar("BRK.B", T + n * 1000), second_bar("F", T))
        assert [(await reader.next_frame())[0]["s"] for _ in range(50)] == [T + n * 1000 for n in range(50)]
        assert (vendor.keys, vendor.topics) == ([KEY], ["A.*", "T.BRK.B", "LULD.*"])
        assert reader.states == ["connected"]
        assert reader.feed.is_connected
        await reader.stop()
        async with asyncio.timeout(5):
            while not vendor.ends:
                await asyncio.sleep(0.002)
        assert vendor.ends == [1000]  # a close frame, so that the vendor frees the one connection at once

    with_vendor(work)


@pytest.mark.parametrize("one_frame", [True, False])
def test_acknowledgements_are_counted_in_one_frame_or_many(one_frame: bool) -> None:
    topics = [f"A.S{i}" for i in range(3000)]

    async def work(vendor: Vendor) -> None:
        vendor.acks_in_one_frame = one_frame
        vendor.unknown = {"A.S7"}
        reader = Reader(vendor, ",".join(topics))
        await reader.until(lambda: vendor.open and len(reader.feed._unacked) == 1)
        assert reader.feed._unacked == {"A.S7"}
        assert reader.frames.empty()
        await reader.stop()

    with_vendor(work)


def test_topics_that_nobody_acknowledges_are_named(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ANSWER_S", 0.2)

    async def work(vendor: Vendor) -> None:
        vendor.unknown = {"A.ODD"}
        reader = Reader(vendor, "A.ODD,A.F", stall=0.2)
        await reader.until(lambda: "no acknowledgement" in caplog.text)
        await reader.stop()

    with_vendor(work)
    assert "A.ODD" in caplog.text.split("no acknowledgement")[1]


def test_very_many_topics_go_out_in_messages_that_the_vendor_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MAX_SUBSCRIBE_CHARS", 1_000)
    topics = [f"A.SYMBOL{i}" for i in range(500)]

    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor, ",".join(topics))
        await reader.until(lambda: len(vendor.topics) == 500)
        assert vendor.topics == topics
        assert max(vendor.messages) < 1_200
        await reader.stop()

    with_vendor(work)


def test_status_and_data_in_one_frame_both_count() -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        mixed = [*json.loads(v.status(("info", "you are slow"))), second_bar("F", T)]
        await vendor.send_text(json.dumps(mixed))
        assert (await reader.next_frame())[1]["sym"] == "F"
        await reader.stop()

    with_vendor(work)


def test_a_frame_of_eight_megabytes_is_taken_and_garbage_is_handed_on() -> None:
    large = json.dumps([second_bar("F", T + n * 1000) for n in range(60_000)])
    assert len(large) > 8_000_000

    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.send_text(large)
        await vendor.send_text('{"status" garbage')  # looks like a status message, and is none
        await vendor.send_text("{garbage")
        await vendor.send_text(b"\x00\xff")
        assert len(await reader.next_frame()) == 60_000
        assert await reader.frames.get() == b'{"status" garbage'
        assert await reader.frames.get() == b"{garbage"
        assert await reader.frames.get() == b"\x00\xff"
        assert vendor.connections == 1
        await reader.stop()

    with_vendor(work)


@pytest.mark.parametrize("fault", [v.REFUSED, v.NO_PLAN])
def test_a_refused_key_or_plan_stops_with_the_vendors_words(fault: tuple[str, str]) -> None:
    async def work(vendor: Vendor) -> None:
        vendor.faults["auth"] = [fault]
        reader = Reader(vendor)
        with pytest.raises(FeedRefused, match=fault[1].split(".")[0]):
            await reader.task
        assert vendor.connections == 1
        assert reader.states == []

    with_vendor(work)


def test_a_plan_without_any_of_the_topics_stops() -> None:
    async def work(vendor: Vendor) -> None:
        vendor.unauthorized = {"T.*", "LULD.*"}
        reader = Reader(vendor, "T.*,LULD.*")
        with pytest.raises(FeedRefused, match=r"does not include T\.\*, LULD\.\*"):
            await reader.task

    with_vendor(work)


def test_a_plan_with_some_of_the_topics_goes_on_with_those(caplog: pytest.LogCaptureFixture) -> None:
    async def work(vendor: Vendor) -> None:
        vendor.unauthorized = {"T.*"}
        reader = Reader(vendor, "T.*,A.*")
        await reader.until(lambda: vendor.open)
        await vendor.send(second_bar("F", T))
        assert (await reader.next_frame())[0]["sym"] == "F"
        assert reader.feed._unacked == {"T.*"}
        await reader.stop()

    with_vendor(work)
    assert "not authorized" in caplog.text


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/stocks", "nonsense", "ws://", "ws://a..b/", "ws://h:99999/"])
def test_an_address_that_cannot_be_is_refused_in_one_line(url: str) -> None:
    async def work() -> None:
        class Nowhere(Vendor):
            url = "x"

        nowhere = Nowhere()
        nowhere.url = url
        reader = Reader(nowhere)
        with pytest.raises(FeedRefused, match="URL") as error:
            async with asyncio.timeout(10):
                await reader.task
        assert "\n" not in str(error.value)

    asyncio.run(work())


def test_a_server_that_says_very_much_is_quoted_in_short(caplog: pytest.LogCaptureFixture) -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.send_text(v.status(("w" * 100_000, "x" * 100_000)))
        await vendor.send(second_bar("F", T))
        await reader.next_frame()
        await reader.stop()

    with_vendor(work)
    (line,) = [record.getMessage() for record in caplog.records if "sends a warning" in record.getMessage()]
    assert len(line) < 1_000


@pytest.mark.parametrize("market", ["", "simulator-seed-7"])
def test_the_market_of_the_greeting_is_handed_on_before_the_key_is_sent(market: str) -> None:
    async def work(vendor: Vendor) -> None:
        vendor.market = market
        reader = Reader(vendor)
        await reader.until(lambda: reader.markets)
        assert reader.markets == [market]
        await reader.until(lambda: vendor.open)
        await reader.stop()

    with_vendor(work)


def test_a_market_that_the_listener_does_not_take_gets_no_key() -> None:
    class Picky(Reader):
        async def greeted(self, market: str) -> None:
            raise FeedRefused(f"not {market}")

    async def work(vendor: Vendor) -> None:
        vendor.market = "another"
        with pytest.raises(FeedRefused, match="not another"):
            await Picky(vendor).task
        assert vendor.keys == []

    with_vendor(work)


@pytest.mark.parametrize(("behind_s", "warned"), [(20.0, "20 s behind"), (-60.0, "s ahead of"), (0.0, "")])
def test_the_clock_is_compared_with_the_feeds_at_the_handshake(
    behind_s: float, warned: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        assert reader.feed.clock_offset_s is None
        await reader.until(lambda: vendor.open)
        await reader.stop()
        assert reader.feed.clock_offset_s == pytest.approx(behind_s, abs=1.5)

    monkeypatch.setattr(module, "time", Slow(behind_s))
    with_vendor(work)
    lines = [record.getMessage() for record in caplog.records if "clock" in record.getMessage()]
    assert len(lines) == bool(warned)
    assert all(re.search(warned.replace("20", "(19|20|21)"), line) for line in lines)


class Slow:
    """The module `time` of a machine whose wall clock is behind."""

    monotonic = staticmethod(time.monotonic)

    def __init__(self, behind_s: float) -> None:
        self._behind_s = behind_s

    def time(self) -> float:
        return time.time() - self._behind_s


def test_very_many_statuses_in_one_frame_are_logged_in_short(caplog: pytest.LogCaptureFixture) -> None:
    """300,000 of them cost about what decoding their bytes costs."""

    async def work(vendor: Vendor) -> None:
        reader = Reader(vendor)
        await reader.until(lambda: vendor.open)
        await vendor.send_text(v.status(*[("odd", "x")] * 300_000))
        await vendor.send(second_bar("F", T))
        await reader.next_frame()
        await reader.stop()

    with_vendor(work)
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 11
    assert lines[-1] == "299990 more warnings of the feed in the same frame"


@pytest.mark.parametrize("url", ["ws://192.0.2.1/stocks", "ws://feed.example:8080/stocks"])
def test_the_key_goes_unencrypted_to_no_other_machine(url: str) -> None:
    async def work() -> None:
        elsewhere = Vendor()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Vendor, "url", url)
            with pytest.raises(FeedRefused, match="TAPEWATCH_ALLOW_PLAINTEXT_KEY"):
                await Reader(elsewhere).task

    asyncio.run(work())
