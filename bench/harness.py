"""What every bench stands on: a Redis of its own, our processes started for real, and what they cost."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from redis import Redis
from redis.exceptions import RedisError

from redis_functions.contract import keys
from redis_functions.server import embedded
from redis_functions.server.connection import connect

ROOT = Path(__file__).resolve().parent.parent
_TICK_S = 1 / os.sysconf("SC_CLK_TCK")


class NotReached(RuntimeError):
    """A wait of a bench timed out; the message has the condition and the last log lines of the processes."""


@dataclass
class Result:
    """Events a second, and CPU µs an event of the client and of the server."""

    per_second: float
    client_us: float
    server_us: float


def wait_until(true: Callable[[], Any], seconds: float, what: str, every: float = 0.005) -> Any:
    """The first truthy answer of `true()`. Raises NotReached after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(every)
    raise NotReached(f"{what}: not within {seconds:g} s")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        return int(free.getsockname()[1])


def cpu_s(pid: int) -> float:
    """CPU seconds of a process (user and system) so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_S


def family(pid: int) -> list[int]:
    """A process and all its descendants."""
    found = [pid]
    for parent in found:
        with contextlib.suppress(OSError):
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += [int(child) for child in (task / "children").read_text().split()]
    return found


def pss_mib(pid: int) -> float:
    """Proportional set size of a process and its descendants, MiB."""
    total = 0
    for each in family(pid):
        with contextlib.suppress(OSError):
            text = Path(f"/proc/{each}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", text, re.MULTILINE)[1])  # type: ignore[index]
    return total / 1024


class Harness:
    """A folder with a Redis and other processes in it; all gone at the end of the `with`."""

    def __init__(self, *, redis_options: Sequence[str] = (), maxmemory_mb: int | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tb-"))
        self.url = embedded.url(self.folder)
        self.socket = embedded.socket_path(self.folder)
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        command = [*embedded.command(self.folder, maxmemory_mb=maxmemory_mb), *redis_options]
        self.redis_pid = self.start("redis", command).pid
        self.client: Redis = connect(self.url, timeout=30)
        wait_until(self.answers, 20, "Redis")

    def answers(self) -> bool:
        """Whether Redis does."""
        try:
            return bool(self.client.ping())
        except RedisError:
            return False

    def start(self, name: str, command: Sequence[str], **env: str) -> subprocess.Popen[bytes]:
        """Starts a process; its output goes to <name>.log in the folder."""
        base = {k: v for k, v in os.environ.items() if not k.startswith(("TAPEWATCH_", "MASSIVE_", "POLYGON_"))}
        base |= {"PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | env
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=base,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes[name] = process
        return process

    def tapewatch(self, *words: str, **env: str) -> subprocess.Popen[bytes]:
        """`tapewatch <words>` on this Redis, with TAPEWATCH_<env> set."""
        settings = {"DATA_DIR": str(self.folder / "d"), "REDIS_URL": self.url, "ALWAYS_OPEN": "true"} | env
        (self.folder / "d").mkdir(exist_ok=True)
        named = {f"TAPEWATCH_{name}": value for name, value in settings.items()}
        return self.start(words[0], [sys.executable, "-m", "tapewatch", *words], **named)

    def python(self, module: str, *words: str) -> subprocess.Popen[bytes]:
        return self.start(module.replace(".", "-"), [sys.executable, "-m", module, *words])

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The one that was started last by this name."""
        return self._processes[name]

    def log_of(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text(errors="replace") if path.exists() else ""

    def wait(self, true: Callable[[], Any], seconds: float, what: str) -> Any:
        """Like `wait_until`. Raises NotReached at once when a process has ended, with the end of its log."""

        def alive_and_true() -> Any:
            value = true()
            for name, process in self._processes.items():
                if not value and process.poll() not in (None, 0):
                    raise NotReached(f"{what}: {name} ended with {process.returncode}: {self.log_of(name)[-600:]}")
            return value

        try:
            return wait_until(alive_and_true, seconds, what)
        except NotReached as error:
            last = " | ".join(f"{name}: {self.log_of(name)[-300:]}" for name in self._processes)
            raise NotReached(f"{error}; {last}") from None

    def newest(self, symbol: str) -> int:
        """The time of a symbol's newest stored second, 0 when there is none."""
        try:
            found: Any = self.client.execute_command("TS.GET", keys.series(symbol, "1s", "notional"))
        except RedisError:
            return 0
        return int(found[0]) if found else 0

    def calls(self, command: str) -> int:
        """How often Redis has executed a command."""
        stats: Any = self.client.info("commandstats")
        return int(stats.get(f"cmdstat_{command.lower()}", {}).get("calls", 0))

    def metric(self, process: str, name: str) -> float | None:
        """A metric of one of our processes as last published."""
        text: Any = self.client.get(keys.metrics(process))
        found = re.search(rf"^tapewatch_{name}(?:_total)? (\S+)$", (text or b"").decode(), re.MULTILINE)
        return float(found[1]) if found else None

    def __enter__(self) -> Harness:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.client.close()
        # Nothing here is kept, so no process needs to finish its work.
        for process in self._processes.values():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def serve_bridge(harness: Harness, port: int, **env: str) -> subprocess.Popen[bytes]:
    """The bridge on a port, without a rate limit, ready to answer."""
    process = harness.tapewatch("bridge", BRIDGE_PORT=str(port), RATE_LIMIT="0", **env)

    def ready() -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/healthz", timeout=1) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    harness.wait(ready, 30, "the bridge")
    return process
