"""The engine's loop over a real spool and a real Redis: what it finds in records, and what becomes of it."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from redis import Redis

from ingest.clock import Clock
from ingest.engine import Engine, EngineConfig, Surroundings
from ingest.frame_queue import FrameQueue
from ingest.missing_data import LEAST, WINDOW_MS
from ingest.repair.gap_log import NOT_RUNNING
from ingest.spool.log import Spool
from ingest.stage_latency import StageLatency
from ingest.tasks import ended
from ingest.watchlists import Watched
from market.calendar import tape_hours, trade_date
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.read.gaps import Gap, read_gaps
from redis_functions.server.connection import connect_async
from redis_functions.write.lease import Lease
from tests.fake_vendor import second_bar
from tests.ingest.harness import candles
from vendor.vendors import DEFAULT

T = 1_760_104_800_000


class FixedClock(Clock):
    """Stands still until it is moved."""

    def __init__(self) -> None:
        super().__init__()
        self.now = T

    def __call__(self) -> int:
        return self.now


class Box:
    """A spool with an engine behind it, under a lease of its own."""

    def __init__(self, url: str, folder: Path, always_open: bool = True) -> None:
        self._always_open = always_open
        self.clock = FixedClock()
        self.client = connect_async(url)
        self.lease = Lease(self.client, "stocks", "the test", missing_s=0, poll_s=0.01)
        self.spool = Spool(folder, limit_bytes=1 << 24, max_age_s=3600, fsync=False).open()
        self.watched = Watched(self.client, DEFAULT)
        self.queue = FrameQueue(self.spool, 1 << 20, self.watched, self.clock)
        self.engine = self.new_engine(url)

    def new_engine(self, url: str) -> Engine:
        around = Surroundings(
            self.client, self.spool, "spool", self.queue, self.clock, None, self.lease, self.watched, StageLatency(),
            Availability(),
        )  # fmt: skip
        return Engine(
            EngineConfig(url, DEFAULT, DEFAULT.subscription("A.*"), always_open=self._always_open), around, dict
        )

    def frame(self, *events: dict[str, Any]) -> None:
        self.queue.put(json.dumps(events).encode())


@asynccontextmanager
async def box(url: str, folder: Path, always_open: bool = True) -> AsyncIterator[Box]:
    """Runs the engine; at the end all that was put is worked off."""
    made = Box(url, folder, always_open)
    await made.lease.wait()
    task = asyncio.create_task(made.engine.run())
    try:
        async with asyncio.timeout(30):
            yield made
            made.queue.close()
            await task
    finally:
        await ended(task)
        made.spool.close()
        await made.client.aclose()


def lines(caplog: pytest.LogCaptureFixture, level: str) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == level]


def outages(redis: Redis) -> list[Gap]:
    """The gaps but that before the first start."""
    return [gap for gap in read_gaps(redis, "stocks") if not gap.reason.startswith(NOT_RUNNING)]


def test_a_clock_behind_is_one_line_a_gap_and_a_statistic(
    redis: Redis, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")

    async def go() -> float:
        async with box(redis_url, tmp_path / "s") as made:
            for second in range(3 * LEAST):
                made.frame(second_bar("AAPL", T + 20_000 + second * 1000))
            while not made.engine.missing.missing:
                await asyncio.sleep(0)
            return made.engine.statistics()["clock_behind_ms"]

    assert asyncio.run(go()) >= 20_000
    (line,) = lines(caplog, "ERROR")
    assert "this machine's clock is behind the feed" in line
    (gap,) = outages(redis)
    assert (gap.symbols, gap.end, gap.state) == (("*",), None, "open")
    assert gap.start is not None
    assert gap.start <= T + 20_000
    assert candles(redis, "AAPL", "1s") == {}


def test_the_gap_ends_when_the_clock_is_right_again(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            for second in range(LEAST):
                made.frame(second_bar("AAPL", T + 20_000 + second * 1000))
            await until_done(made)
            for _ in range(3):
                made.clock.now += WINDOW_MS + 1_000
                made.frame(second_bar("AAPL", made.clock.now))
                await until_done(made)

    asyncio.run(go())
    (gap,) = outages(redis)
    assert gap.end is not None
    assert len(candles(redis, "AAPL", "1s")) == 3


def test_a_restart_logs_nothing_of_rejected_events_again(
    redis: Redis, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def go(*frames: int) -> None:
        async with box(redis_url, tmp_path / "s") as made:
            for t in frames:
                made.frame(second_bar("AAPL", t))
            await until_done(made)

    asyncio.run(go(*(T + 20_000 + second * 1000 for second in range(LEAST))))
    assert len(lines(caplog, "ERROR")) == 1
    caplog.clear()
    asyncio.run(go(T))
    assert lines(caplog, "ERROR") == []
    assert candles(redis, "AAPL", "1s").keys() == {T}


async def until_done(made: Box) -> None:
    """Until the engine has worked on all that was put."""
    while made.queue.backlog or made.engine.writer.waiting:
        await asyncio.sleep(0)


def test_frames_that_cannot_be_read_become_a_gap(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            made.frame(second_bar("AAPL", T - 5_000))
            for _ in range(LEAST):
                made.queue.put(b"[{broken")

    asyncio.run(go())
    (gap,) = outages(redis)
    assert (gap.start, gap.reason) == (T - 5_000, "rejected: not_json")


def test_bars_that_cannot_be_right_become_a_gap_from_the_first_of_them_on(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            made.frame(second_bar("AAPL", T - 9_000))
            for second in range(LEAST):
                made.frame(second_bar("MSFT", T - 5_000 + second * 1000, -3.0))

    asyncio.run(go())
    (gap,) = outages(redis)
    assert (gap.start, gap.end, gap.reason) == (T - 9_000, None, "rejected: bad_price")
    assert candles(redis, "MSFT", "1s") == {}


def test_a_side_task_that_fails_does_not_end_the_feed(
    redis: Redis, redis_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def odd() -> None:
        raise ValueError("an odd answer")

    monkeypatch.setattr(Engine, "_fetch_closes", lambda self: odd())

    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            made.engine.reporter.report = odd  # type: ignore[method-assign]
            while len(lines(caplog, "ERROR")) < 2:
                await asyncio.sleep(0.001)
            made.frame(second_bar("AAPL", T))

    asyncio.run(go())
    assert len(candles(redis, "AAPL", "1s")) == 1
    assert {line.partition(" failed")[0] for line in lines(caplog, "ERROR")} == {
        "fetching previous closes",
        "the report",
    }


def test_under_overload_watched_bars_and_their_alerts_overtake_the_backlog(
    redis: Redis, redis_url: str, tmp_path: Path
) -> None:
    published = redis.pubsub(ignore_subscribe_messages=True)
    published.psubscribe(keys.channel_bars("*").replace("{", "?").replace("}", "?"))
    published.get_message(timeout=5)

    async def go() -> None:
        async with box(redis_url, tmp_path / "s") as made:
            made.watched.symbols = frozenset({"W"})
            made.clock.now += 10_000
            for second in range(10):  # nothing is worked on meanwhile: nobody awaited
                made.frame(
                    *(second_bar(f"S{i}", T + second * 1000) for i in range(50)), second_bar("W", T + second * 1000)
                )
            made.clock.now += 5_000

    asyncio.run(go())
    symbols = []
    while message := published.get_message(timeout=0.2):
        symbols.append(json.loads(message["data"])["sym"])
    assert len(symbols) == 510
    assert symbols[:10] == ["W"] * 10


def test_halts_and_the_days_volume_outlive_a_restart(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    halts = [{"ev": "LULD", "T": symbol, "h": 2, "l": 1, "i": [17], "z": 3, "t": T, "q": 1} for symbol in ("OLD", "F")]

    async def first() -> None:
        async with box(redis_url, tmp_path / "first") as made:
            made.frame(second_bar("VOL", T, volume=70), *halts)
            await until_done(made)
            await made.engine.reporter.report()

    async def second() -> tuple[float, dict[str, int]]:
        async with box(redis_url, tmp_path / "second") as made:
            made.frame(second_bar("VOL", T + 1_000, volume=5), second_bar("OLD", T + 2_000))
            await until_done(made)
            state = made.engine.pipeline
            return float(state.tape.volume[state.tape.index["VOL"]]), state.halts.since

    asyncio.run(first())
    assert asyncio.run(second()) == (75, {"F": T})


def test_the_age_of_what_waits_is_known(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    async def go() -> tuple[int, int]:
        async with box(redis_url, tmp_path / "s") as made:
            await made.engine.opened.wait()
            made.engine.writer.put([], [])
            made.engine.in_flight.queued(1, T, T)
            idle = made.engine.waiting_ms()
            made.engine.writer._put += 1  # a bar that is never acknowledged
            made.engine.in_flight.queued(2, T, T)
            made.clock.now += 42_000
            waits = made.engine.waiting_ms()
            made.engine.writer._put -= 1
            return idle, waits

    assert asyncio.run(go()) == (0, 42_000)


def test_a_first_start_amid_the_day_misses_what_came_before(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    """From the open of the tape to the first event; a store that has data already misses nothing."""
    opens = tape_hours(trade_date(T, True), True).open

    async def go(folder: str, t: int) -> None:
        async with box(redis_url, tmp_path / folder) as made:
            made.frame(second_bar("AAPL", t))

    asyncio.run(go("first", T))
    (gap,) = read_gaps(redis, "stocks")
    assert (gap.start, gap.end, gap.reason.partition(";")[0]) == (opens, T, NOT_RUNNING)
    asyncio.run(go("second", T + 60_000))
    assert [g for g in read_gaps(redis, "stocks") if g.reason.startswith(NOT_RUNNING) and g.start != opens] == []


def test_a_day_without_a_session_misses_nothing(redis: Redis, redis_url: str, tmp_path: Path) -> None:
    saturday = T + 86_400_000

    async def go() -> None:
        async with box(redis_url, tmp_path / "s", always_open=False) as made:
            made.clock.now = saturday
            made.frame(second_bar("AAPL", saturday))

    asyncio.run(go())
    assert read_gaps(redis, "stocks") == []
