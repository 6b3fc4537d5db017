"""A scene: market, Redis and daemon as real processes, on ports and in folders of their own; each can be killed or paused."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from redis import Redis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.read.gaps import OPEN, Gap, read_gaps
from redis_functions.server import embedded
from redis_functions.server.connection import connect
from simulator.market import Market
from tests.chaos.bars import Bars
from tests.chaos.hurt import mount_small, stepped_clock
from tests.chaos.truth import Expectation, Truth, read_truth
from tests.support import Running, free_port, wait_until

FEED = "stocks"
Part = Literal["simulator", "redis", "ingest", "standby"]
#: The simulator sends at the beginning of a second; in this part of it everything due has been sent.
_QUIET = (0.55, 0.75)


def let_pass(seconds: float) -> None:
    """Sleeps: the duration of a fault is part of the fault, not a condition that could be waited for."""
    time.sleep(seconds)


class Scene:
    """A context manager that ends every process it started, and deletes its folder unless `keep` is set."""

    def __init__(
        self,
        *,
        symbols: int = 300,
        rate: float = 200.0,
        spike_every: int = 5,
        faults: str = "",
        seed: int = 7,
        ingest: dict[str, str] | None = None,
        own_redis: bool = False,
        clock: bool = False,
        disk_kb: int = 0,
    ) -> None:
        """`ingest`: more environment of the daemon; `own_redis`: Redis has another folder than the daemon's data; `clock`: the
        daemon's wall clock can be stepped; `disk_kb`: its data lies on a disk of that size."""
        self.folder = Path(tempfile.mkdtemp(prefix="tc-"))
        self.data = self.folder / "d"
        self.redis_data = self.folder / "r" if own_redis else self.data
        self.truth_file = self.folder / "truth.jsonl"
        self.keep = False
        market = Market(symbols, rate, seed, spike_every)
        self.names: Sequence[str] = market.names
        self.expectation: Expectation = Expectation(market)
        #: The gap records at the time when all were repaired.
        self.settled_gaps: list[Gap] = []
        #: More checks at the end: each takes the expected bars and returns what is wrong.
        self.beside: list[Callable[[Bars], list[str]]] = []
        self.parts: dict[Part, Running] = {}
        self.ended: list[Running] = []
        self.ws_port, self.rest_port = free_port(), free_port()
        self._simulate = [
            "simulate", f"--symbols={symbols}", f"--rate={rate}", f"--seed={seed}", f"--spike-every={spike_every}",
            f"--port={self.ws_port}", f"--rest-port={self.rest_port}", f"--truth={self.truth_file}", f"--faults={faults}",
        ]  # fmt: skip
        # Relative to the window's start a velocity needs no previous close, so a replay computes the same ones.
        self.environment = {
            "TAPEWATCH_FEED_URL": f"ws://127.0.0.1:{self.ws_port}/stocks",
            "TAPEWATCH_REST_URL": f"http://127.0.0.1:{self.rest_port}",
            "TAPEWATCH_REDIS_URL": embedded.url(self.redis_data),
            "TAPEWATCH_VELOCITY_BASE": "window_start",
            "TAPEWATCH_STALL_AFTER_S": "20",
            "TAPEWATCH_REST_PER_SECOND": "500",
            "MASSIVE_API_KEY": "key-of-the-matrix",
            "PYTHONFAULTHANDLER": "1",
        } | (ingest or {})
        self.clock_file = self.folder / "clock"
        if clock:
            self.environment |= stepped_clock(self.clock_file)
        self._disk_kb = disk_kb
        self.client: Redis = connect(embedded.url(self.redis_data), timeout=5)

    # --- parts

    def start_simulator(self) -> None:
        self._start("simulator", Running(*self._simulate, data_dir=self.folder / "s"))
        self.parts["simulator"].wait(lambda: "ready:" in self.parts["simulator"].output(), 30, "the simulator")

    def start_redis(self) -> None:
        self._start("redis", Running("redis", data_dir=self.redis_data))
        self.parts["redis"].wait(self.redis_answers, 90, "Redis")

    def start_ingest(self) -> None:
        """The daemon."""
        self._start("ingest", Running("ingest", data_dir=self.data, **self.environment))

    def start_standby(self, folder: Path) -> None:
        """A second daemon, with this data folder; returns when it waits as a standby."""
        self._start("standby", Running("ingest", data_dir=folder, **self.environment))
        standby = self.parts["standby"]
        standby.wait(lambda: "standby" in standby.output(), 20, "the second daemon to wait as a standby")

    def _start(self, part: Part, process: Running) -> None:
        if part in self.parts:
            self.ended.append(self.parts[part])
        self.parts[part] = process

    def signal(self, part: Part, signum: int) -> None:
        os.kill(self.parts[part].process.pid, signum)

    def kill(self, part: Part) -> None:
        """SIGKILL; returns when the process has ended."""
        self.signal(part, signal.SIGKILL)
        self.parts[part].process.wait(10)

    def pause(self, part: Part, seconds: float) -> None:
        self.signal(part, signal.SIGSTOP)
        let_pass(seconds)
        self.signal(part, signal.SIGCONT)

    def end(self, part: Part) -> int:
        """SIGTERM; returns the exit code. A process that does not end dumps its stacks on SIGABRT (faulthandler)."""
        self.signal(part, signal.SIGTERM)
        try:
            return int(self.parts[part].process.wait(20))
        except subprocess.TimeoutExpired:
            self.signal(part, signal.SIGABRT)
            self.parts[part].process.wait(10)
            hangs = self.parts[part].output()[-4000:]
            raise AssertionError(f"{part} does not end on SIGTERM: {hangs}") from None

    # --- what can be seen

    def redis_answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def metric(self, name: str) -> float | None:
        """A metric as the daemon last published it; None if it has not."""
        try:
            text: Any = self.client.get(keys.metrics("ingest"))
        except RedisError:
            return None
        found = re.search(rf"^tapewatch_{name}(?:_total)? (\S+)$", (text or b"").decode(), re.MULTILINE)
        return float(found[1]) if found else None

    def watermarks(self) -> dict[bytes, bytes]:
        try:
            marks: Any = self.client.hgetall(keys.watermark_spools(FEED))
        except RedisError:
            return {}
        return dict(marks)

    def gaps(self) -> list[Gap]:
        return read_gaps(self.client, FEED)

    def truth(self) -> Truth:
        return read_truth(self.truth_file, self.names)

    def spool_files(self) -> list[Path]:
        return sorted((self.data / "spool").glob("*.spool"))

    def wait(self, true: Callable[[], Any], seconds: float, what: str) -> None:
        try:
            wait_until(true, seconds, what, every=0.1)
        except AssertionError as error:
            raise AssertionError(f"{error}; {self.last_words()}") from None

    def last_words(self) -> str:
        return " | ".join(f"{name}: {one.output()[-700:]}" for name, one in self.parts.items() if name != "simulator")

    # --- beginning and end

    def begin(self, before: Callable[[Scene], None] | None = None) -> None:
        """Starts everything and returns when bars arrive in Redis; `before` is called before the daemon starts."""
        self.start_redis()
        self.forget_the_morning()
        if before is not None:
            before(self)
        self.start_simulator()
        self.start_ingest()
        self.until_flowing()

    def forget_the_morning(self) -> None:
        """What the market was open before the daemon's start is no part of the truth: as if it was repaired already."""
        spool = self.data / "spool"
        spool.mkdir(parents=True, exist_ok=True)
        (spool / "id").write_text("matrix")
        known = {f"matrix:{number}:start": "repaired|0" for number in range(1, 50)}
        self.client.hset(keys.gaps_known(FEED), mapping=known)

    def until_flowing(self, seconds: float = 40.0) -> None:
        before = self.watermarks()
        self.wait(lambda: self.watermarks() not in ({}, before), seconds, "bars in Redis")

    def at_frames(self) -> None:
        """Returns at the moment at which the frames of a second are being sent."""
        wait_until(lambda: 0.005 < time.time() % 1 < 0.03, 5, "the beginning of a second", every=0.002)

    def until_repaired(self, seconds: float = 90.0) -> None:
        """Returns when no gap is open any more."""
        self.wait(lambda: all(gap.state != OPEN for gap in self.gaps()), seconds, "the repair of every gap")

    def freeze(self) -> None:
        """Pauses the simulator between two of its seconds and waits until all that it sent is in Redis."""
        wait_until(lambda: _QUIET[0] < time.time() % 1 < _QUIET[1], 5, "the quiet part of a second", every=0.01)
        self.signal("simulator", signal.SIGSTOP)
        self.drained()

    def drained(self, seconds: float = 120.0) -> None:
        """Returns when the watermark has stopped moving and nothing waits to be written."""
        last, since = self.watermarks(), time.monotonic()
        end = since + seconds
        while time.monotonic() < end:
            let_pass(0.1)
            now = self.watermarks()
            if now != last or not now or self.metric("spool_waiting") or self.metric("waiting_bars"):
                last, since = now, time.monotonic()
            elif time.monotonic() - since > 2.0:
                return
        raise AssertionError(f"not drained within {seconds:g} s; {self.last_words()}")

    def __enter__(self) -> Scene:
        self.data.mkdir(parents=True, exist_ok=True)
        if self._disk_kb:
            mount_small(self.data, self._disk_kb)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.client.close()
        for process in (*self.parts.values(), *self.ended):
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.process.pid, signal.SIGKILL)
            process.stop(signal.SIGKILL)
            if self.keep:
                shutil.copytree(process.folder, self.folder / "logs" / process.folder.name, dirs_exist_ok=True)
            shutil.rmtree(process.folder, ignore_errors=True)
        if subprocess.run(["mountpoint", "-q", self.data], check=False).returncode == 0:
            subprocess.run(["umount", self.data], check=False)
        if not self.keep:
            shutil.rmtree(self.folder, ignore_errors=True)
