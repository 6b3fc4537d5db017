"""The supervisor with parts that misbehave: restarted, refused, stubborn, and an order in which they end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from tapewatch import supervisor as module
from tapewatch.supervisor import Part, PartRefused, Supervisor
from tests.support import ROOT, wait_until

#: What `python -m tapewatch <name> <what>` is in these tests: each start and each orderly end is a line of the log.
PROGRAM = """
import os, signal, sys, time
name, what = sys.argv[1:3]
def log(word):
    with open("log", "a") as log:
        log.write(f"{word} {name} {os.getpid()}\\n")
def end(*_):
    time.sleep(0.1)
    log("ended")
    sys.exit(0)
signal.signal(signal.SIGTERM, signal.SIG_IGN if what == "stubborn" else end)
log("began")
if what.isdigit():
    sys.exit(int(what))
if what == "once" and open("log").read().count(f"began {name}") == 1:
    os.kill(os.getpid(), signal.SIGSEGV)
while True:
    time.sleep(60)
"""


@pytest.fixture(autouse=True)
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which `tapewatch` is the program above, and short waits."""
    (tmp_path / "tapewatch").mkdir()
    (tmp_path / "tapewatch" / "__main__.py").write_text(PROGRAM)
    monkeypatch.chdir(tmp_path)
    for name in ("FIRST_RESTART_S", "LAST_RESTART_S", "FILE_CHECK_S"):
        monkeypatch.setattr(module, name, 0.02)
    return tmp_path


def part(name: str, what: str = "stays", last: bool = False) -> Part:
    return Part(name, [name, what], dict(os.environ), last)


def log() -> list[list[str]]:
    path = Path("log")
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def began(name: str) -> list[int]:
    return [int(pid) for word, who, pid in log() if (word, who) == ("began", name)]


def alive(pid: int) -> bool:
    """Whether the process runs; one that ended and was not yet asked for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def supervise(parts: list[Part], work: Callable[[Supervisor], Awaitable[None]]) -> Supervisor:
    """Runs the parts until `work` is done; afterwards none of their processes is left."""

    async def main() -> Supervisor:
        made, stop = Supervisor(parts), asyncio.Event()
        running = asyncio.create_task(made.run(stop))
        async with asyncio.timeout(20):
            worked = asyncio.create_task(work(made))
            await asyncio.wait([running, worked], return_when=asyncio.FIRST_COMPLETED)
            worked.cancel()
            stop.set()
            await running
        return made

    try:
        return asyncio.run(main())
    finally:
        assert [line for line in log() if line[0] == "began" and alive(int(line[2]))] == []


async def until(true: Callable[[], object]) -> None:
    while not true():
        await asyncio.sleep(0.01)


def test_a_killed_part_is_started_again_and_the_others_go_on() -> None:
    async def work(made: Supervisor) -> None:
        await until(lambda: began("a") and began("b"))
        os.kill(began("a")[0], signal.SIGKILL)
        await until(lambda: len(began("a")) == 2)

    made = supervise([part("a"), part("b")], work)
    assert (len(began("b")), made.restarts) == (1, 1)


def test_a_part_that_crashes_at_once_is_tried_until_it_stays(caplog: pytest.LogCaptureFixture) -> None:
    async def work(made: Supervisor) -> None:
        await until(lambda: len(began("a")) == 2)

    supervise([part("a", "once")], work)
    assert "a ended (signal SIGSEGV)" in caplog.text


def test_waits_between_starts_grow_up_to_a_cap(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "LAST_RESTART_S", 0.07)

    async def work(made: Supervisor) -> None:
        await until(lambda: made.restarts == 4)

    supervise([part("a", "3")], work)
    waits = [record.args[-1] for record in caplog.records if "starting it again" in record.msg and record.args]  # type: ignore[index]
    assert waits == [0.04, 0.07, 0.07, 0.07]
    assert "a ended (exit 3)" in caplog.text


def test_a_part_whose_file_was_deleted_is_restarted(caplog: pytest.LogCaptureFixture, stage: Path) -> None:
    file = stage / "socket"

    async def work(made: Supervisor) -> None:
        await until(lambda: began("a"))
        while len(began("a")) < 2:  # the file is there for a few looks, and gone for a few
            file.touch()
            await asyncio.sleep(5 * module.FILE_CHECK_S)
            file.unlink()
            await asyncio.sleep(5 * module.FILE_CHECK_S)

    supervise([Part("a", ["a", "stays"], dict(os.environ), file=file), part("b")], work)
    assert f"{file} was deleted, so nothing can connect to a: it is restarted" in caplog.text
    assert len(began("b")) == 1


def test_a_part_that_says_78_stops_everything() -> None:
    async def work(made: Supervisor) -> None:
        await asyncio.Event().wait()

    with pytest.raises(PartRefused, match=r"^b$"):
        supervise([part("a"), part("b", "78")], work)
    assert len(began("b")) == 1


def test_the_store_ends_after_all_others_have() -> None:
    async def work(made: Supervisor) -> None:
        await until(lambda: len(log()) == 3)

    supervise([part("store", last=True), part("a"), part("b")], work)
    ends = [who for word, who, _ in log() if word == "ended"]
    assert sorted(ends[:2]) == ["a", "b"]
    assert ends[2:] == ["store"]


def test_one_that_does_not_end_is_killed(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    monkeypatch.setattr(module, "STOP_S", 0.3)

    async def work(made: Supervisor) -> None:
        await until(lambda: len(log()) == 2)

    supervise([part("a", "stubborn"), part("store", last=True)], work)
    assert [who for word, who, _ in log() if word == "ended"] == ["store"]
    assert "is killed" in caplog.text


def test_a_stop_at_any_moment_of_the_start_leaves_no_process() -> None:
    async def work(made: Supervisor) -> None:
        await asyncio.sleep(0)

    supervise([part(name) for name in "abcdef"], work)


def test_the_time_that_an_end_may_take_is_within_ten_seconds() -> None:
    assert module.STOP_S + module.STOP_LAST_S <= 9


@pytest.mark.skipif(sys.platform != "linux", reason="PR_SET_PDEATHSIG exists on Linux only")
def test_when_the_supervisor_is_killed_the_kernel_ends_its_parts(stage: Path) -> None:
    program = (
        "import asyncio, os; from tapewatch.supervisor import Part, Supervisor\n"
        f"os.chdir({str(stage)!r})\n"
        "parts = [Part(n, [n, 'stays'], dict(os.environ)) for n in 'ab']\n"
        "asyncio.run(Supervisor(parts).run(asyncio.Event()))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], cwd=ROOT)
    try:
        pids = wait_until(lambda: began("a") and began("b") and began("a") + began("b"), 20, "the parts")
    finally:
        process.kill()
        process.wait()
    wait_until(lambda: not any(alive(pid) for pid in pids), 10, "the end of the parts")
    assert sorted(who for word, who, _ in log() if word == "ended") == ["a", "b"]
