"""What tests share: waiting for a condition, free ports, bars into the store, our own processes started for real."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any

from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema, create_commands

ROOT = Path(__file__).resolve().parent.parent
#: Real market data beside the checkout; tests that need it skip where it is absent.
DATA = Path(os.environ.get("TAPEWATCH_TEST_DATA", ROOT.parent / "shared" / "data"))


def wait_until(true: Callable[[], Any], seconds: float = 20.0, what: str = "the condition", every: float = 0.02) -> Any:
    """The first truthy answer of `true()`; fails after `seconds`."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = true()
        if value:
            return value
        time.sleep(every)
    raise AssertionError(f"{what}: not within {seconds:g} s")


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def write_bars(redis: Redis, bars: Iterable[Bar], schema: Schema | None = None) -> None:
    """Bars into the store the plain way: series, rules, `symbols`, one TS.MADD a bar. Fields that are None are left out."""
    pipe = redis.pipeline(transaction=False)
    known: set[str] = set()
    for bar in bars:
        if bar.sym not in known:
            known.add(bar.sym)
            for command in create_commands(bar.sym, schema or Schema()):
                pipe.execute_command(*command)
            pipe.sadd(keys.SYMBOLS, bar.sym)
        words: list[Any] = []
        for field, value in zip(FIELDS, (bar.o, bar.h, bar.l, bar.c, bar.v, bar.n), strict=True):
            if value is not None:
                words += [keys.series(bar.sym, "1s", field), bar.t, value]
        pipe.execute_command("TS.MADD", *words)
    for reply in pipe.execute(raise_on_error=False):
        errors = [r for r in (reply if isinstance(reply, list) else [reply]) if isinstance(r, Exception)]
        assert not [e for e in errors if "already" not in str(e)], errors


def clean_environ() -> dict[str, str]:
    """The environment without any setting of ours."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("TAPEWATCH_", "MASSIVE_", "POLYGON_"))}


class Running:
    """`tapewatch <args>` as a real process with a data folder and ports of its own; stopped at the end of the `with`."""

    def __init__(self, *args: str, data_dir: Path | None = None, **env: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="tw-"))
        self.data_dir = data_dir or self.folder / "d"
        self.bridge_port = int(env.get("TAPEWATCH_BRIDGE_PORT") or free_port())
        self.env = (
            clean_environ()
            | {
                "TAPEWATCH_DATA_DIR": str(self.data_dir),
                "TAPEWATCH_BRIDGE_PORT": str(self.bridge_port),
                "PYTHONUNBUFFERED": "1",
            }
            | env
        )
        self._log = (self.folder / "out.log").open("w+b")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tapewatch", *args], cwd=self.folder, env=self.env,
            stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip

    def output(self) -> str:
        return (self.folder / "out.log").read_text(errors="replace")

    def get(self, path: str, headers: dict[str, str] | None = None, **query: Any) -> tuple[int, Any]:
        """(status, parsed JSON or text) of the bridge; status 0 when nothing answers. `from_` is sent as `from`."""
        url = f"http://127.0.0.1:{self.bridge_port}{path}"
        if query:
            url += "?" + urllib.parse.urlencode({k.rstrip("_"): v for k, v in query.items() if v is not None})
        try:
            with urllib.request.urlopen(urllib.request.Request(url, headers=headers or {}), timeout=10) as reply:
                status, raw = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            with error:
                status, raw = error.code, error.read()
        except OSError:
            return 0, None
        try:
            return status, json.loads(raw)
        except ValueError:
            return status, raw.decode(errors="replace")

    def wait(self, true: Callable[[], Any], seconds: float = 30.0, what: str = "the condition") -> Any:
        def alive_and_true() -> Any:
            value = true()
            if not value and self.process.poll() is not None:
                raise AssertionError(f"{what}: it ended with {self.process.returncode}: {self.output()[-2000:]}")
            return value

        try:
            return wait_until(alive_and_true, seconds, what, every=0.05)
        except AssertionError as error:
            raise AssertionError(f"{error}; its log ends: {self.output()[-2000:]}") from None

    def ready(self, seconds: float = 60.0) -> None:
        self.wait(lambda: self.get("/readyz")[0] == 200, seconds, "/readyz")

    def stop(self, signum: int = signal.SIGINT, seconds: float = 20.0) -> int | None:
        """The signal to the whole process group, as a terminal sends Ctrl-C; the exit code (None: it had to be killed)."""
        code: int | None = None
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            code = self.process.wait(seconds)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        self._log.close()
        return code

    def __enter__(self) -> Running:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.stop()
