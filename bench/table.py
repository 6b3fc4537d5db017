"""What a bench prints: a titled table, the same text in the terminal and in RESULTS.md, and what it claims.

A bench module has `run(argv) -> list[Table]` and ends with

    if __name__ == "__main__":
        report(run())

Where a figure of a table is one that is required, the bench says so beside it, once:

    table.require("bars stored, of the raw limit", 0.87, at_least=0.85)
    table.require("p99 readable over REST at 1,000 bars/s", 21.9, at_most=25, unit="ms")

`python -m bench` gathers these rows from all benches (each is a process of its own and leaves them as JSON lines in the
file that the variable CLAIMS names) into the table at the head of RESULTS.md: the margin first, held or not, the
requirement, what was measured and wanted, and the command that measured it. Say a requirement only in a form of the
bench that can measure it: `--short` and a part of the sizes say nothing of the others.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from redis_functions.server import embedded

#: Names the file, in the environment, to which `report` appends the claims.
CLAIMS = "BENCH_CLAIMS"


@dataclass(frozen=True)
class Claim:
    """A figure that is required, and what it was: at least `wanted`, or at most where `at_most`."""

    requirement: str
    measured: float
    wanted: float
    at_most: bool
    unit: str
    command: str

    @property
    def module(self) -> str:
        """The bench that measured it."""
        return self.command.split()[2]

    @property
    def held(self) -> bool:
        return self.measured <= self.wanted if self.at_most else self.measured >= self.wanted

    @property
    def margin(self) -> float:
        """So many times as good as wanted; NaN where one of both is zero or was not measured."""
        above, below = (self.wanted, self.measured) if self.at_most else (self.measured, self.wanted)
        return above / below if above and below else math.nan


@dataclass
class Table:
    """Rows of text; `command` is what made them, `notes` what a reader must know of them, `claims` what is required."""

    title: str
    columns: Sequence[str]
    command: str
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        if len(cells) != len(self.columns):
            raise ValueError(f"{len(cells)} cells for {len(self.columns)} columns")
        self.rows.append(cells)

    def require(
        self,
        requirement: str,
        measured: float,
        *,
        at_least: float | None = None,
        at_most: float | None = None,
        unit: str = "",
    ) -> None:
        """Claims one figure. Raises ValueError unless exactly one of both bounds is given."""
        wanted = at_least if at_most is None else at_most
        if wanted is None or (at_least is not None and at_most is not None):
            raise ValueError(f"{requirement}: wanted is either at_least or at_most")
        self.claims.append(Claim(requirement, measured, wanted, at_most is not None, unit, self.command))

    def grid(self) -> str:
        """The rows alone, without title and notes."""
        return "\n".join(_row(cells) for cells in (self.columns, ["---"] * len(self.columns), *self.rows))

    def markdown(self) -> str:
        return "\n".join([f"## {self.title}", "", f"`{self.command}`", "", self.grid(), "", *self.notes, ""])


def report(tables: Sequence[Table]) -> None:
    """Prints the tables; leaves their claims for `python -m bench` where it asks for them."""
    for table in tables:
        print(table.markdown(), flush=True)
    if os.environ.get(CLAIMS):
        with open(os.environ[CLAIMS], "a") as file:
            file.writelines(json.dumps(asdict(claim)) + "\n" for table in tables for claim in table.claims)


def summary(claims: Iterable[Claim], command: str) -> Table:
    """All claims in one table, the margin first."""
    table = Table(
        "Required and measured",
        ["times as good as wanted", "held", "requirement", "measured", "wanted", "measured by"],
        command,
    )
    for claim in claims:
        margin = "-" if math.isnan(claim.margin) else f"{claim.margin:.2f}"
        wanted = f"{'at most' if claim.at_most else 'at least'} {_figure(claim.wanted, claim.unit)}"
        measured = _figure(claim.measured, claim.unit)
        held = "yes" if claim.held else "**no**"
        table.add(margin, held, claim.requirement, measured, wanted, f"`{claim.command}`")
    if not table.rows:
        table.notes.append("Nothing that is required was measured in this form.")
    return table


def read_claims(path: Path) -> list[Claim]:
    """What `report` left in a file; nothing where no bench claimed anything."""
    return [Claim(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _figure(value: float, unit: str) -> str:
    """Three digits that count: 0.87, 21.9 ms, 1,312/s."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip().replace(" /", "/")


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
