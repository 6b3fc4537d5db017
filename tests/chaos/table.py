"""The matrix as a table, and as the page of the documentation that a run leaves behind."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from bench.page import keep
from tests.chaos.matrix import Line
from tests.chaos.verdict import COLUMNS, Cell

#: What a page calls the part of it that is the brief table.
PART = "loss matrix: written by make chaos"

_PREFACE = """# The loss matrix

Written by `make chaos` on {when} on {machine}. Each row is a fault done to real processes (simulated market, Redis,
daemon); each cell is asserted by set difference between the store and the simulator's truth file at the end of the row.

What is promised:

* **raw bars**: the 1s series hold every second that the market told, each once, every field as it was told last; nothing
  else. What was due while the socket was down, shed or damaged is brought back from REST, which this market has.
* **downsampled bars**: every candle of 1m, 5m and 1h equals the roll-up of the truth, volume and notional included.
* **alerts**: every planted spike is alerted exactly once, or named in the record of the gap that it fell into.
* **gap records**: one for each outage and none besides, with all that was lost between `from` and `to`, repaired in the end.

Only these may differ, and the cell says by how much: what was sent while the socket was down (repaired), flood and full
disk (shed, in a gap, repaired; never what is watched), a flipped bit (one record, in a gap, repaired), and an emptied Redis
(what is older than the spool). Without REST these gaps stay open or are marked unrepairable.

"""


def markdown(lines: Iterable[Line], brief: bool = False) -> str:
    """The table as it is printed and kept; `brief`: of each cell that held only what was found."""
    head = ("fault", *COLUMNS)
    table = [head, ("---",) * len(head)]
    for name, cells in lines:
        table.append((name, *(_text(cells[column], brief) for column in COLUMNS)))
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def document(lines: Iterable[Line]) -> str:
    """The table with what it means, when and where it was made."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return _PREFACE.format(when=when, machine=_machine()) + markdown(lines) + "\n"


def put_into(page: Path, lines: Iterable[Line]) -> None:
    """The brief table in place of the one that the page has. Raises ValueError where it has no marks for it."""
    made = f"Taken {datetime.now(UTC):%Y-%m-%d %H:%M} UTC on {_machine()}."
    keep(page, PART, f"{markdown(lines, brief=True)}\n\n{made}")


def _text(cell: Cell, brief: bool) -> str:
    words = " ".join(cell.text.replace("|", "/").split())
    if cell.held is None:
        return words
    if not cell.held:
        return f"**NOT HELD**: {words}"
    return words.partition(";")[0] if brief else f"held: {words}"


def _machine() -> str:
    try:
        cpu = next(
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        )
    except (OSError, StopIteration):
        cpu = platform.machine()
    return (
        f"{os.cpu_count()} cores ({cpu}), {platform.system()} {platform.release()}, Python {platform.python_version()}"
    )
