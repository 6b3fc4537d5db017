"""The vendor's protocol as a client sees it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus

from simulator.events import Event
from simulator.protocol import Feed
from tests.simulator.support import Tap, feeding, tapped


def event(channel: str, symbol: str, n: int = 0) -> Event:
    return Event(channel, symbol, {"ev": channel, "sym": symbol, "n": n})


def run(scene: Any) -> None:
    asyncio.run(scene)


async def answer(tap: Tap, action: str, params: str) -> list[tuple[str, str]]:
    """The statuses that answer a request: those before the answer to a subscription that surely gets one."""
    before = len(tap.statuses)
    await tap.send(action, params)
    marker = f"A.MARK{before}"
    await tap.send("subscribe", marker)
    await tap.until(lambda: any(marker in s["message"] for s in tap.statuses), "the marker's answer")
    return [(s["status"], s["message"]) for s in tap.statuses[before:] if marker not in s["message"]]


def test_greeting_authentication_and_acks_are_the_vendors() -> None:
    async def scene() -> None:
        async with feeding(Feed()) as port, tapped(port) as tap:
            await tap.status("connected")
            await tap.send("auth", "whatever key")
            await tap.status("auth_success")
            await tap.send("subscribe", "T.AAPL, A.*")
            await tap.until(lambda: len(tap.statuses) == 4, "acks")
            await tap.send("unsubscribe", "T.AAPL")
            await tap.until(lambda: len(tap.statuses) == 5, "ack")
            assert [json.loads(frame) for frame in tap.frames] == [
                [{"ev": "status", "status": "connected", "message": "Connected Successfully"}],
                [{"ev": "status", "status": "auth_success", "message": "authenticated"}],
                [
                    {"ev": "status", "status": "success", "message": "subscribed to: T.AAPL"},
                    {"ev": "status", "status": "success", "message": "subscribed to: A.*"},
                ],
                [{"ev": "status", "status": "success", "message": "unsubscribed to: T.AAPL"}],
            ]

    run(scene())


def test_the_greeting_names_the_market_where_the_server_knows_it() -> None:
    async def scene() -> None:
        async with feeding(Feed("simulator-7")) as port, tapped(port) as tap:
            status = await tap.status("connected")
            assert status == {
                "ev": "status",
                "status": "connected",
                "message": "Connected Successfully",
                "market": "simulator-7",
            }
            await tap.send("auth", "k")
            assert "market" not in await tap.status("auth_success")

    run(scene())


@pytest.mark.parametrize(
    ("origin", "host", "accepted"),
    [
        (None, None, True),
        ("http://127.0.0.1:{port}", None, True),
        ("http://localhost:{port}", "localhost:{port}", True),
        ("https://evil.example", None, False),
        ("http://rebound.example:{port}", "rebound.example:{port}", False),
        ("http://localhost:3000", None, False),
        ("http://127.0.0.1:3000", None, False),
        ("null", None, False),
        ("", None, False),
        ("http://[", None, False),
    ],
)
def test_a_web_page_of_a_foreign_origin_is_refused(origin: str | None, host: str | None, accepted: bool) -> None:
    async def scene() -> None:
        async with feeding(Feed()) as port:
            lines = [f"Host: {(host or '127.0.0.1:{port}').format(port=port)}", "Upgrade: websocket", "Connection: Upgrade",
                     "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]  # fmt: skip
            lines += [f"Origin: {origin.format(port=port)}"] if origin is not None else []
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write("\r\n".join(["GET /stocks HTTP/1.1", *lines, "", ""]).encode())
            answer = await reader.readline()
            assert answer.split()[1] == (b"101" if accepted else b"403")
            writer.close()
            await writer.wait_closed()

    run(scene())


def test_what_is_not_answered_and_what_is_refused() -> None:
    async def scene() -> None:
        async with feeding(Feed()) as port, tapped(port, "A.BRK.B") as tap:
            assert await answer(tap, "subscribe", "ZZ.AAPL,A,*,A.,") == []
            assert await answer(tap, "subscribe", "A.BRK.B") == []
            assert await answer(tap, "unsubscribe", "AM.*") == []
            assert await answer(tap, "dance", "A.*") == []
            refused = await answer(tap, "subscribe", "Q.*,T.KIMpL,NOI.X")
            assert refused == [("error", "not authorized")] * 2 + [("success", "subscribed to: T.KIMpL")]
            await tap.connection.send("no JSON {")
            await tap.connection.send("[1]")
            assert await answer(tap, "subscribe", "A.NOTATICKER") == [("success", "subscribed to: A.NOTATICKER")]

    run(scene())


def test_nothing_is_given_without_authentication() -> None:
    async def scene() -> None:
        feed = Feed()
        async with feeding(feed) as port, tapped(port) as tap:
            await tap.status("connected")
            await tap.send("subscribe", "A.*")
            assert (await tap.status("error"))["message"] == "not authorized"
            assert feed.publish([event("A", "X")]) == [None]

    run(scene())


def test_who_does_not_authenticate_is_told_and_dropped() -> None:
    async def scene() -> None:
        async with feeding(Feed(auth_timeout_s=0.2)) as port, tapped(port) as tap:
            assert (await tap.status("auth_timeout"))["message"] == "No authentication request received."
            assert (await tap.end()).rcvd is None

    run(scene())


def test_events_go_to_those_who_subscribed_each_in_arrays() -> None:
    async def scene() -> None:
        feed = Feed()
        async with feeding(feed) as port, tapped(port, "A.*") as every, tapped(port, "A.X", "T.Y.Z") as some:
            events = [
                event("A", "X", 1),
                event("A", "Y", 2),
                event("AM", "X", 3),
                event("T", "Y.Z", 4),
                event("T", "Y", 5),
            ]
            assert feed.publish(events) == [True, True, None, True, None]
            await every.until(lambda: len(every.events) == 2, "two events")
            await some.until(lambda: len(some.events) == 2, "two events")
            assert [e["n"] for e in every.events] == [1, 2]
            assert [e["n"] for e in some.events] == [1, 4]
            await some.send("unsubscribe", "A.X")
            await some.until(lambda: some.statuses[-1]["message"] == "unsubscribed to: A.X", "ack")
            feed.publish([event("A", "X", 6), event("T", "Y.Z", 7)])
            await some.until(lambda: len(some.events) == 3, "the third")
            assert some.events[-1]["n"] == 7
            assert all(json.loads(frame)[0] for frame in every.frames)

    run(scene())


def test_large_batches_are_split_into_frames_in_order() -> None:
    async def scene() -> None:
        feed = Feed()
        async with feeding(feed) as port, tapped(port, "A.*") as tap:
            feed.publish([event("A", "X", n) for n in range(2000)])
            await tap.until(lambda: len(tap.events) == 2000, "all")
            assert [e["n"] for e in tap.events] == list(range(2000))
            assert 4 <= len(tap.frames) - 3 < 20

    run(scene())


def test_what_is_due_while_nobody_listens_is_lost_but_known() -> None:
    async def scene() -> None:
        feed = Feed()
        assert feed.publish([event("A", "X")]) == [None]
        async with feeding(feed) as port:
            async with tapped(port, "A.*"):
                assert feed.publish([event("A", "X")]) == [True]
            while feed.clients:
                await asyncio.sleep(0.005)
            assert feed.publish([event("A", "X"), event("T", "X")]) == [False, None]
            async with tapped(port, "A.*") as again:
                feed.publish([event("A", "X", 9)])
                await again.until(lambda: again.events, "the event")
                assert [e["n"] for e in again.events] == [9]

    run(scene())


def test_only_the_stock_feed_is_here() -> None:
    async def scene() -> None:
        async with feeding(Feed()) as port:
            with pytest.raises(InvalidStatus, match="404"):
                async with tapped(port, path="/crypto"):
                    pass

    run(scene())


def test_a_message_above_the_vendors_limit_ends_the_connection() -> None:
    async def scene() -> None:
        async with feeding(Feed()) as port, tapped(port, "A.*") as tap:
            await tap.send("subscribe", ",".join(["A.X"] * 300_000))
            assert (await tap.end()).rcvd is not None
            assert tap.connection.close_code == 1009

    run(scene())
