"""Everything on one box: each part is a process, restarted with backoff when it ends, stopped in order.

Parts run in process groups of their own, so that Ctrl-C in the terminal reaches only this supervisor. It stops the feed's
reader first and Redis last, so that everything that was read is stored. A part reports on stderr; its stdout is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

log = logging.getLogger("tapewatch.run")

EX_CONFIG = 78
FIRST_RESTART_S, LAST_RESTART_S = 0.2, 10.0
#: A part that ran this long is restarted with the shortest delay.
STEADY_S = 20.0
#: Seconds that parts get to end on SIGTERM: first those that write to Redis, then Redis.
STOP_S, STOP_LAST_S = 7.0, 2.0
#: How often a part's file is looked for; missing twice, it was deleted, not only being made anew.
FILE_CHECK_S = 1.0
_PR_SET_PDEATHSIG = 1
#: Loaded here: between fork and exec a child must not load anything.
_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass(frozen=True)
class Part:
    """One process: `tapewatch <words>` with variables of its own; `last` ones are stopped after all others.

    Without its `file`, such as the socket on which it listens, a part is of no use: when somebody deletes that, it is restarted.
    """

    name: str
    words: Sequence[str]
    env: Mapping[str, str]
    last: bool = False
    file: Path | None = None


class PartRefused(Exception):
    """A part ended with 78: trying again will not help."""


class Supervisor:
    """Runs parts until `stop` is set or one of them ends with 78."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._parts = parts
        self._processes: dict[str, asyncio.subprocess.Process] = {}
        self._starting: set[asyncio.Task[asyncio.subprocess.Process]] = set()
        self.restarts = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Raises PartRefused with the part's name when one ended with 78; all parts have ended when this returns."""
        keepers = [asyncio.create_task(self._keep(part)) for part in self._parts]
        stopped = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait([stopped, *keepers], return_when=asyncio.FIRST_COMPLETED)
            for task in done - {stopped}:
                task.result()
        finally:
            stopped.cancel()
            for task in keepers:
                task.cancel()
            await asyncio.gather(*keepers, *self._starting, return_exceptions=True)
            await self._stop([p for p in self._parts if not p.last], STOP_S)
            await self._stop([p for p in self._parts if p.last], STOP_LAST_S)

    async def _keep(self, part: Part) -> None:
        """Starts the part again whenever it ends."""
        delay = FIRST_RESTART_S
        while True:
            began = time.monotonic()
            start = asyncio.create_task(self._start(part))
            self._starting.add(start)
            start.add_done_callback(self._starting.discard)
            # Shielded: a process that was started must be known before a stop.
            process = await asyncio.shield(start)
            code = await _ended(part, process)
            if code == EX_CONFIG:
                raise PartRefused(part.name)
            delay = FIRST_RESTART_S if time.monotonic() - began > STEADY_S else min(delay * 2, LAST_RESTART_S)
            self.restarts += 1
            log.warning("%s ended (%s), starting it again in %.1f s", part.name, _how(code), delay)
            await asyncio.sleep(delay)

    async def _start(self, part: Part) -> asyncio.subprocess.Process:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tapewatch", *part.words,
            env=dict(part.env), stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, process_group=0,
            preexec_fn=partial(_end_with_parent, os.getpid()),
        )  # fmt: skip
        self._processes[part.name] = process
        return process

    async def _stop(self, parts: Sequence[Part], seconds: float) -> None:
        running = [p for part in parts if (p := self._processes.get(part.name)) and p.returncode is None]
        for process in running:
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
        waits = [asyncio.create_task(process.wait()) for process in running]
        if waits:
            await asyncio.wait(waits, timeout=seconds)
        for process in running:
            if process.returncode is None:
                log.warning("process %d did not end within %g s and is killed", process.pid, seconds)
                with contextlib.suppress(ProcessLookupError):
                    process.kill()
        if waits:
            await asyncio.wait(waits, timeout=STOP_LAST_S)


async def _ended(part: Part, process: asyncio.subprocess.Process) -> int:
    """The code with which the process ended; it is asked to end when its file was deleted."""
    if part.file is None:
        return await process.wait()
    ending = asyncio.create_task(process.wait())
    watching = asyncio.create_task(_deleted(part.file))
    try:
        await asyncio.wait((ending, watching), return_when=asyncio.FIRST_COMPLETED)
        if not ending.done():
            log.warning("%s was deleted, so nothing can connect to %s: it is restarted", part.file, part.name)
            process.terminate()
        return await ending
    finally:
        ending.cancel()
        watching.cancel()


async def _deleted(file: Path) -> None:
    """Waits until the file was there and is there no more."""
    was_there, missing = False, 0
    while missing < 2:
        await asyncio.sleep(FILE_CHECK_S)
        there = file.exists()
        was_there = was_there or there
        missing = missing + 1 if was_there and not there else 0


def _end_with_parent(parent: int) -> None:
    """Runs in the child before exec: if this supervisor is killed, the kernel ends the child, too (Linux only).

    The kernel means the thread that made the child, here the main thread of an event loop.
    """
    if _libc is not None:
        _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the supervisor was killed before prctl
            os._exit(1)


def _how(code: int) -> str:
    return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit {code}"
