"""Under overload watched bars overtake what waits; in the end the state is the same as without."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ingest.frame_queue import FrameQueue
from ingest.overtaking import AFTER_MS, AT_ONCE, Overtaking
from ingest.pipeline import Pipeline, Write
from ingest.spool.log import Spool
from ingest.spool.segment import Record
from ingest.velocity_rule import VelocityConfig
from ingest.watchlists import Watched
from market.bar import Bar
from redis_functions.contract.schema import Schema
from tests.fake_vendor import second_bar
from vendor.vendors import DEFAULT

T = 1_760_104_800_000
NAMES = [f"S{i}" for i in range(20)]


def frame(second: int, change: float = 0.0, names: list[str] = NAMES) -> bytes:
    return json.dumps([second_bar(name, T + second * 1000, 100.0 + second + change) for name in names]).encode()


class Stage:
    """A queue over a spool with a pipeline behind it; time of receipt is `now`, which stands still unless moved."""

    def __init__(self, folder: Path, watched: set[str], memory: int = 1 << 20) -> None:
        self.now = T + 3_600_000  # after all that is sent
        self.spool = Spool(folder, limit_bytes=1 << 24, max_age_s=3600, fsync=False).open()
        watch = Watched(SimpleNamespace(), DEFAULT)  # type: ignore[arg-type]
        watch.symbols = frozenset(watched)
        self.queue = FrameQueue(self.spool, memory, watch, lambda: self.now)  # type: ignore[arg-type]
        self.overtaking = Overtaking(self.queue, watch, DEFAULT.decoder())
        self.pipeline = Pipeline(
            Schema(), VelocityConfig(base="window_start"), decode=DEFAULT.decoder(), minutes_subscribed=False, clock=lambda: T * 2  # type: ignore[arg-type]
        )  # fmt: skip
        self.store: dict[tuple[str, int], Bar] = {}
        self.order: list[tuple[str, int]] = []
        self.alerts: list[str] = []

    def act(self, found: Any) -> None:
        for write in found.writes:
            assert isinstance(write, Write)
            for bar in write.bars:
                self.store[bar.sym, bar.t] = bar
                self.order.append((bar.sym, bar.t))
        self.alerts += [alert.id for alert in found.alerts]

    async def take(self) -> Record | None:
        record = await self.queue.get()
        if record is not None:
            for bars in self.overtaking.bars(record, self.now):
                self.act(self.pipeline.overtake(bars))
            events = self.pipeline.decode(record.payload, record.number, record.received_ms)
            self.act(self.pipeline.step(self.overtaking.left(record.number, events)))
        return record

    async def drain(self) -> None:
        self.queue.close()
        while await self.take() is not None:
            pass


def played(folder: Path, watched: set[str], frames: list[bytes], waited_ms: int, memory: int = 1 << 20) -> Stage:
    """Everything that became of `frames`, which all were received `waited_ms` before the first of them is worked on."""

    async def go() -> Stage:
        stage = Stage(folder, watched, memory)
        for one in frames:
            stage.queue.put(one)
        stage.now += waited_ms
        await stage.drain()
        stage.spool.close()
        return stage

    return asyncio.run(go())


def restated(seconds: int) -> list[bytes]:
    """Each second, and two seconds later its correction, which has another close."""
    frames: list[bytes] = []
    for second in range(seconds):
        frames.append(frame(second))
        if second >= 2:
            frames.append(frame(second - 2, change=0.05))
    return frames


def test_watched_bars_come_before_the_backlog_and_none_comes_twice(tmp_path: Path) -> None:
    stage = played(tmp_path / "s", {"S7"}, [frame(s) for s in range(30)], AFTER_MS)
    first = [stage.order.index(("S7", T + s * 1000)) for s in range(30)]
    at_once = AT_ONCE + 1  # with the record whose turn it is
    assert first[:at_once] == list(range(at_once))  # before the rest of the first record
    others = len(NAMES) - 1
    assert first[at_once:] == list(range(at_once + others, 30 + others))  # before the second
    assert len(stage.order) == 30 * len(NAMES)


def test_without_a_backlog_all_keep_their_order(tmp_path: Path) -> None:
    stage = played(tmp_path / "s", {"S7"}, [frame(s) for s in range(5)], AFTER_MS - 1)
    assert stage.order == [(name, T + s * 1000) for s in range(5) for name in NAMES]


@pytest.mark.parametrize("memory", [1 << 20, 40_000])
def test_state_and_alerts_are_those_without_overtaking(tmp_path: Path, memory: int) -> None:
    """Also where the backlog begins on disk, and with corrections."""
    frames = restated(60)
    plain = played(tmp_path / "plain", set(), frames, 10 * AFTER_MS, memory)
    ahead = played(tmp_path / "ahead", {"S3", "S7"}, frames, 10 * AFTER_MS, memory)
    assert ahead.order != plain.order
    assert ahead.store == plain.store
    assert (ahead.pipeline.tape.last[:20] == plain.pipeline.tape.last[:20]).all()
    assert ahead.pipeline.tape.clock == plain.pipeline.tape.clock
    assert set(ahead.alerts) == set(plain.alerts)
    assert ahead.alerts[0].split(":")[1] in ("S3", "S7")


def test_the_event_clock_stays_with_the_record_whose_turn_it_is(tmp_path: Path) -> None:
    async def go() -> None:
        stage = Stage(tmp_path / "s", {"S7"})
        for second in range(10):
            stage.queue.put(frame(second))
        stage.now += AFTER_MS
        await stage.take()
        assert stage.store.keys() >= {("S7", T + 9_000)}
        assert stage.pipeline.event_clock == T
        stage.spool.close()

    asyncio.run(go())
