"""The output of a bench: titled tables, the same text in the terminal and in RESULTS.md, and the requirements they meet.

A bench module has `run(argv) -> list[Table]` and ends with

    if __name__ == "__main__":
        report(run())

A requirement is stated beside the figure that meets it:

    table.require("bars/s, to the raw limit", 0.94, at_least=0.85, absolute="66,000 of 70,000 bars/s")
    table.require("p99 readable over REST at half the raw limit", 21.9, at_most=35, unit="ms")

A requirement is a ratio to a baseline of the same run, or a time scaled by the raw limit of that run, so that it holds on
any machine; `absolute` is the figure behind the ratio. `python -m bench` gathers the requirements of all benches (each is a
process of its own and appends them as JSON lines to the file named by the variable CLAIMS) into the table at the head of
RESULTS.md. A short form measures no requirement, so it states none.
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
    """A required figure and its measurement: at least `target`, or at most `target` where `at_most`."""

    requirement: str
    measured: float
    target: float
    at_most: bool
    unit: str
    command: str
    absolute: str = ""
    headline: bool = False

    @property
    def module(self) -> str:
        """The bench that measured it."""
        return self.command.split()[2]

    @property
    def met(self) -> bool:
        return self.measured <= self.target if self.at_most else self.measured >= self.target

    @property
    def margin(self) -> float:
        """How many times better than the target: 1 meets it exactly; NaN where either is zero or not measured."""
        above, below = (self.target, self.measured) if self.at_most else (self.measured, self.target)
        return above / below if above and below else math.nan


@dataclass
class Table:
    """Rows of text; `command` is the command that makes them, `notes` what a reader must know, `claims` the requirements."""

    title: str
    columns: Sequence[str]
    command: str
    rows: list[Sequence[str]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)

    def add(self, *cells: str) -> None:
        """Adds a row. Raises ValueError unless it has one cell for each column."""
        """Adds a row. Raises ValueError unless it has one cell for each column."""
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
        absolute: str = "",
        headline: bool = False,
    ) -> None:
        """States a requirement; a `headline` is in the README, too. Raises ValueError unless exactly one bound is given."""
        target = at_least if at_most is None else at_most
        if target is None or (at_least is not None and at_most is not None):
            raise ValueError(f"{requirement}: give at_least or at_most, not both")
        self.claims.append(
            Claim(requirement, measured, target, at_most is not None, unit, self.command, absolute, headline)
        )

    def grid(self) -> str:
        """The rows alone, without title and notes."""
        return "\n".join(_row(cells) for cells in (self.columns, ["---"] * len(self.columns), *self.rows))

    def markdown(self) -> str:
        return "\n".join([f"## {self.title}", "", f"`{self.command}`", "", self.grid(), "", *self.notes, ""])


def report(tables: Sequence[Table]) -> None:
    """Prints the tables; appends their claims to the file named by CLAIMS where it is set."""
    for table in tables:
        print(table.markdown(), flush=True)
    if os.environ.get(CLAIMS):
        with open(os.environ[CLAIMS], "a") as file:
            file.writelines(json.dumps(asdict(claim)) + "\n" for table in tables for claim in table.claims)


def summary(claims: Iterable[Claim], command: str) -> Table:
    """All claims in one table, the margin first."""
    table = Table(
        "Required and measured",
        ["margin", "met", "requirement", "measured", "target", "absolute", "measured by"],
        command,
    )
    for claim in claims:
        margin = "-" if math.isnan(claim.margin) else f"{claim.margin:.2f}"
        target = f"{'at most' if claim.at_most else 'at least'} {_figure(claim.target, claim.unit)}"
        measured = _figure(claim.measured, claim.unit)
        met = "yes" if claim.met else "**no**"
        table.add(margin, met, claim.requirement, measured, target, claim.absolute or "-", f"`{claim.command}`")
    if not table.rows:
        table.notes.append("This form measures no requirement.")
    return table


def headlines(claims: Iterable[Claim], command: str) -> Table:
    """The claims of the README, short."""
    table = Table("Headlines", ["requirement", "measured", "target", "absolute", "met"], command)
    for claim in claims:
        if claim.headline:
            bound = "at most" if claim.at_most else "at least"
            table.add(
                claim.requirement,
                _figure(claim.measured, claim.unit),
                f"{bound} {_figure(claim.target, claim.unit)}",
                claim.absolute or "-",
                "yes" if claim.met else "**no**",
            )
    return table


def read_claims(path: Path) -> list[Claim]:
    """The claims that `report` appended to a file; none where the file is missing."""
    return [Claim(**json.loads(line)) for line in path.read_text().splitlines()] if path.exists() else []


def _figure(value: float, unit: str) -> str:
    """Three significant digits: 0.87, 21.9 ms, 1,312/s."""
    text = f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{text} {unit}".rstrip().replace(" /", "/")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def command_line(module: str) -> str:
    """The command line of this run."""
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
