"""What a bench prints: a titled table, the same text in the terminal and in RESULTS.md."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from redis_functions import embedded


@dataclass
class Table:
    """Rows of text; `command` is what made them, `notes` what a reader must know of them."""

    title: str
    columns: Sequence[str]
    command: str
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)

    def markdown(self) -> str:
        lines = [f"## {self.title}", "", f"`{self.command}`", "", _row(self.columns), _row(["---"] * len(self.columns))]
        lines += [_row(cells) for cells in self.rows]
        return "\n".join([*lines, "", *self.notes, ""])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def command_line(module: str) -> str:
    """How this run was asked for."""
    return " ".join(["python -m", module, *sys.argv[1:]])


def machine() -> str:
    """Where and when: cores, load, memory, versions, commit and date."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    load = os.getloadavg()[0]
    server = subprocess.run([embedded.binaries()[0], "--version"], capture_output=True, text=True, check=False).stdout
    redis = server.split("v=")[1].split()[0] if "v=" in server else "?"
    here = Path(__file__).parent
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False, cwd=here
    )
    packages = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("redis", "hiredis", "msgspec", "numpy", "websockets")
    )
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {os.cpu_count()} x {_cpu()}, {memory:.0f} GiB, load before the run {load:.1f}; "
        f"Linux {platform.release()}, Python {platform.python_version()}, Redis {redis}, {packages}; "
        f"commit {commit.stdout.strip() or 'unknown'}"
    )


def _cpu() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def percentile(values: Sequence[float], share: float) -> float:
    """The nearest-rank percentile; NaN of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")
