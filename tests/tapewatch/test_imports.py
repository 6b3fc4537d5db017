"""No process pays for what only others need: neither when it starts nor while it runs."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import ROOT, Running

_LARGE = {
    "numpy",
    "flask",
    "gevent",
    "websockets",
    "httpx",
    "prometheus_client",
    "ingest",
    "rest_bridge",
    "simulator",
}
#: Large packages and our own folders, by the process that must not load them at its start.
FOREIGN = {
    "run": _LARGE | {"grafana"},
    "redis": _LARGE,
    "ingest": {"flask", "gevent", "werkzeug", "httpx", "urllib3", "rest_bridge", "simulator", "talib", "grafana"},
    "bridge": {"websockets", "httpx", "vendor.massive.decode", "ingest", "simulator", "grafana"},
}
#: What no resident process loads: they come with tools, or with parts of numpy that nothing here uses.
LOADED_BY_NONE = (
    "pandas",
    "lief",
    "exchange_calendars",
    "numpy.random",
    "numpy.testing",
    "numpy.polynomial",
    "multiprocessing.pool",
)


@pytest.mark.parametrize("command", FOREIGN)
def test_a_command_imports_only_what_it_needs(command: str) -> None:
    code = f"import sys, tapewatch.commands.{command}; print('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = set(done.stdout.split())
    assert f"tapewatch.commands.{command}" in loaded
    assert loaded.isdisjoint((*FOREIGN[command], *LOADED_BY_NONE)), loaded.intersection(
        (*FOREIGN[command], *LOADED_BY_NONE)
    )


def _libraries(pid: int) -> set[str]:
    """Compiled libraries that a process has loaded."""
    return set(re.findall(r"(/\S+\.so\S*)", Path(f"/proc/{pid}/maps").read_text()))


@pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")
def test_the_running_processes_have_loaded_none_of_the_heavy_libraries() -> None:
    with Running("run", TAPEWATCH_SIM_SYMBOLS="5", TAPEWATCH_SIM_RATE="20") as daemon:
        daemon.ready()
        daemon.get("/api/v1/candles?symbol=AAPL&timeframe=1m")
        children = Path(f"/proc/{daemon.process.pid}/task/{daemon.process.pid}/children").read_text().split()
        loaded = {path for pid in [daemon.process.pid, *map(int, children)] for path in _libraries(pid)}
    assert any("/numpy/" in path for path in loaded)
    heavy = [path for path in loaded if re.search(r"/(pandas|lief|numpy/random|exchange_calendars)/", path)]
    assert heavy == []
