"""Recordings over the protocol: each event once, to its subscribers, at the requested speed."""

from __future__ import annotations

import asyncio
import json
import logging
from pathlib import Path
from typing import Any

import pytest

from simulator.csv_reading import Options
from simulator.recordings import Recording, Report
from simulator.replay import Replayer
from tests.simulator.support import replaying, tapped

T0 = 1_592_337_499_000


def frames(folder: Path, count: int, channel: str = "A", step_ms: int = 1000, name: str = "f.jsonl") -> Path:
    path = folder / name
    events = [
        {"ev": channel, "sym": f"S{n % 3}", "n": n, "s": T0 + n * step_ms, "e": T0 + n * step_ms + 1000}
        for n in range(count)
    ]
    path.write_text("\n".join(json.dumps([event]) for event in events))
    return path


def replayer(*paths: Path, speed: float = 0.0) -> Replayer:
    report = Report()
    return Replayer([Recording(path, Options(), report) for path in paths], report, speed)


def run(scene: Any) -> None:
    asyncio.run(scene)


def test_everything_is_sent_once_in_order_then_the_socket_stays_open(tmp_path: Path) -> None:
    async def scene() -> None:
        async with replaying(replayer(frames(tmp_path, 5000))) as port:
            async with tapped(port, "A.*") as tap:
                await tap.until(lambda: len(tap.events) == 5000, "all events")
                assert [e["n"] for e in tap.events] == list(range(5000))
                assert await (await tap.connection.ping()) >= 0
                assert tap.closed is None
            async with tapped(port, "A.*") as again:
                assert await (await again.connection.ping()) >= 0
                assert again.events == []

    run(scene())


def test_it_begins_at_the_first_subscription_and_goes_on_after_a_reconnect(tmp_path: Path) -> None:
    async def scene() -> None:
        subject = replayer(frames(tmp_path, 40, step_ms=50), speed=1)
        async with replaying(subject) as port:
            async with tapped(port) as silent:
                await silent.status("connected")
                await silent.send("auth", "k")
                await silent.status("auth_success")
                assert not subject.feed.begun.is_set()
            async with tapped(port, "A.*") as first:
                await first.until(lambda: len(first.events) >= 5, "some events")
                await first.connection.close()
                await first.end()
            async with tapped(port, "A.*") as second:
                await second.until(lambda: second.events and second.events[-1]["n"] == 39, "the last event")
                received = [e["n"] for e in first.events + second.events]
                assert received == sorted(set(received))
                # What was on its way when the first client left may be lost; the rest waited for the second.
                assert len(received) >= 30

    run(scene())


def test_speed_keeps_the_recorded_pace(tmp_path: Path) -> None:
    """At speed 4 two seconds of events need at least 0.5 s; how much more depends on the machine."""

    async def scene() -> None:
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with replaying(replayer(frames(tmp_path, 21, step_ms=100), speed=4)) as port, tapped(port, "A.*") as tap:
            await tap.until(lambda: len(tap.events) == 21, "all events")
            assert loop.time() - begun >= 0.5
            assert len(tap.frames) > 3 + 5

    run(scene())


def test_each_client_gets_what_it_subscribed_to(tmp_path: Path) -> None:
    async def scene() -> None:
        subject = replayer(frames(tmp_path, 300), frames(tmp_path, 200, channel="T", name="t.jsonl"), speed=1000)
        async with replaying(subject) as port, tapped(port, "A.S1") as one, tapped(port, "A.*", "T.*") as every:
            await every.until(lambda: every.events and every.events[-1].get("n") == 299, "the end")
            assert {e["sym"] for e in one.events} == {"S1"}
            assert len(every.events) > 100
            order = [e["e"] for e in every.events]
            assert order == sorted(order)

    run(scene())


def test_the_wrong_channel_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def scene() -> None:
        subject = replayer(frames(tmp_path, 3000, channel="T"))
        async with replaying(subject) as port, tapped(port, "A.*") as tap:
            await tap.until(lambda: [r for r in caplog.records if "stays open" in r.message], "the end")
            assert tap.events == []

    with caplog.at_level(logging.INFO, "tapewatch.replay"):
        run(scene())
    warnings = [r.message for r in caplog.records if r.levelno == logging.WARNING]
    assert warnings == ["no event is delivered: the recording holds T, subscribed is A.*: subscribe to T.*"]


def test_unreadable_lines_are_named_at_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = frames(tmp_path, 10)
    path.write_text(path.read_text() + "\n{bad\n" * 30)

    async def scene() -> None:
        async with replaying(replayer(path)) as port, tapped(port, "A.*") as tap:
            await tap.until(lambda: [r for r in caplog.records if "more lines" in r.message], "the report")
            await tap.until(lambda: len(tap.events) == 10, "the events")

    with caplog.at_level(logging.INFO, "tapewatch.replay"):
        run(scene())
    messages = [r.message for r in caplog.records]
    assert any(m.startswith("could not be read: f.jsonl:11: ") for m in messages)
    assert "could not be read: 10 more lines" in messages


def test_progress_is_logged_also_while_a_file_is_read_to_be_sorted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulator.replay._PROGRESS_S", 0.01)
    path = tmp_path / "t.csv"
    path.write_text("time,symbol,price,size\n" + "".join(f"{1_704_099_600 + n},A,1,1\n" for n in range(30_000)))

    async def scene() -> None:
        async with replaying(replayer(path)) as port, tapped(port, "T.*") as tap:
            await tap.until(lambda: len(tap.events) == 30_000, "all events")

    with caplog.at_level(logging.INFO, "tapewatch.replay"):
        run(scene())
    logged = [(r.args, r.__dict__["events"]) for r in caplog.records if r.message.startswith("replaying, ")]
    reading = [args[0] for args, events in logged if events == 0 and isinstance(args, tuple)]
    assert len(reading) > 1
    assert all(isinstance(share, float) and 0 <= share < 60 for share in reading)


def test_the_recorded_tape_goes_through_the_protocol(data: Path) -> None:
    async def scene() -> None:
        async with replaying(replayer(data / "us-tape-2018" / "trades.csv.gz")) as port, tapped(port, "T.XXX") as tap:
            await tap.until(lambda: len(tap.events) == 77_261, "the tape", 60)
            assert tap.events[0]["c"] == [14, 12, 37]
            assert [e["q"] for e in tap.events] == sorted(e["q"] for e in tap.events)
            assert max(len(json.loads(frame)) for frame in tap.frames) <= 300

    run(scene())


def test_recorded_frames_of_the_vendor(data: Path) -> None:
    async def scene() -> None:
        folder = data / "massive-frames"
        paths = [folder / "massive_A_2026-09-08_live.json", folder / "polygon_A_2020-06-16_transcribed.jsonl"]
        async with replaying(replayer(*paths)) as port, tapped(port, "A.*") as tap:
            await tap.until(lambda: len(tap.events) == 13, "13 bars")
            assert tap.events[-1] == json.loads(paths[0].read_text())[0]

    run(scene())
