"""Every frame goes to the spool; the worker gets each once and in order, from memory or disk; what is shed is recorded."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path

import orjson
import pytest

from ingest import frame_queue as module
from ingest.frame_queue import FrameQueue, Shed
from ingest.spool.log import Spool
from ingest.spool.segment import CONTROL, DATA, Record

WATCHED = b'[{"sym":"W"}]'


class Watched:
    """Watches what has a W in it."""

    def only(self, frame: bytes) -> bytes | None:
        return WATCHED if b"W" in frame else None


def made(folder: Path, limit: int = 1 << 20, memory: int = 1 << 16) -> tuple[Spool, FrameQueue]:
    spool = Spool(folder, limit_bytes=limit, max_age_s=3600, fsync=False).open()
    return spool, FrameQueue(spool, memory, Watched(), lambda: 1)


def drain(intake: FrameQueue) -> list[Record]:
    async def take() -> list[Record]:
        records = []
        intake.close()
        while (record := await intake.get()) is not None:
            records.append(record)
        return records

    return asyncio.run(take())


@pytest.mark.parametrize("memory", [1 << 16, 50])
def test_each_frame_once_and_in_order_whether_memory_holds_them_or_not(tmp_path: Path, memory: int) -> None:
    spool, intake = made(tmp_path / "s", memory=memory)
    frames = [b"frame %d" % n for n in range(500)]
    for frame in frames:
        intake.put(frame)
    assert intake.memory_bytes <= max(memory, 20)
    assert [r.payload for r in drain(intake)] == frames
    assert intake.backlog == 0
    spool.close()


def test_what_comes_while_the_disk_is_read_follows_in_its_place(tmp_path: Path) -> None:
    spool, intake = made(tmp_path / "s", memory=40)

    async def go() -> list[bytes]:
        for n in range(100):
            intake.put(b"%d" % n)
        got = []
        for n in range(100, 150):
            record = await intake.get()
            assert record is not None
            got.append(record.payload)
            intake.put(b"%d" % n)
        return got

    first = asyncio.run(go())
    rest = [r.payload for r in drain(intake)]
    assert first + rest == [b"%d" % n for n in range(150)]
    spool.close()


def test_a_rewind_tells_everything_after_a_number_again(tmp_path: Path) -> None:
    spool, intake = made(tmp_path / "s")
    for n in range(20):
        intake.put(b"%d" % n)
    numbers = [r.number for r in drain(intake)]
    intake.rewind(numbers[14])
    assert [r.payload for r in drain(intake)] == [b"%d" % n for n in range(15, 20)]
    spool.close()


def test_an_earlier_run_is_told_from_disk_before_what_is_new(tmp_path: Path) -> None:
    spool, intake = made(tmp_path / "s")
    intake.put(b"old")
    spool.close()
    spool, intake = made(tmp_path / "s")
    intake.put(b"new")
    intake.rewind(spool.first - 1)
    assert [r.payload for r in drain(intake)] == [b"old", b"new"]
    spool.close()


def test_a_full_spool_sheds_what_nobody_watches_and_says_where_it_began_and_ended(tmp_path: Path) -> None:
    spool, intake = made(tmp_path / "s", limit=1 << 16)
    put = 0
    while intake.level is Shed.NOTHING:
        intake.put(b"x" * 500)
        put += 1
    assert intake.shed_frames == 1
    intake.put(b"W" + b"x" * 500)
    assert intake.level is Shed.UNWATCHED
    assert intake.shed_frames == 2
    spool.acknowledge(spool.last)  # Redis has it all: the oldest may go
    intake.put(b"after")
    assert intake.level is Shed.NOTHING
    intake.rewind(spool.first - 1)
    records = [(r.kind, orjson.loads(r.payload)["what"] if r.kind == CONTROL else r.payload[:1]) for r in drain(intake)]
    kept = [x for x in records if x[0] == CONTROL or x[1] != b"x"]
    assert kept == [(CONTROL, "shed"), (DATA, b"["), (DATA, b"a"), (CONTROL, "shed_end")]
    spool.close()


def test_when_not_even_watched_symbols_fit_everything_is_shed_and_counted(tmp_path: Path) -> None:
    spool, intake = made(tmp_path / "s", limit=1 << 15)
    for _ in range(2000):
        intake.put(b"W" + b"x" * 300)
    assert intake.level is Shed.EVERYTHING
    assert intake.shed_frames > 1000
    spool.acknowledge(spool.last)
    intake.put(b"after")
    assert intake.level is Shed.NOTHING
    spool.close()


def test_a_full_spool_is_one_line_when_it_begins_and_one_when_it_ends(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")
    spool, intake = made(tmp_path / "s", limit=4_000)
    for _ in range(200):
        intake.put(b"x" * 200)
    spool.acknowledge(spool.last)
    for _ in range(3):
        intake.put(b"x")  # fits, but it may be full again at once
    assert [r.getMessage()[:27] for r in caplog.records] == ["the spool cannot take more,"]
    monkeypatch.setattr(module, "CALM_S", 0.0)
    for _ in range(3):
        intake.put(b"x")
    assert [r.levelname for r in caplog.records] == ["ERROR", "WARNING"]
    assert "takes everything again, after 0 s" in caplog.text
    spool.close()
