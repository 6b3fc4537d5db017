"""The matrix as a table, and as docs/loss-matrix.md."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from tests.chaos.matrix import Line
from tests.chaos.verdict import COLUMNS, Cell

_PREFACE = """# The loss matrix

Written by `make chaos` on {when} on {machine}.

Each row injects one fault into real processes (simulated market, Redis, daemon). At its end the store is compared with the
file in which the simulator wrote every event that it sent, by set difference, field by field. A cell that failed begins with
**FAILED**.

A cell passes when

* **raw bars**: the 1s series hold every second that the market sent, once, each field as it was sent last, and nothing else.
  What was due while the socket was down, was shed or was damaged is filled from REST, which this market has;
* **downsampled bars**: every candle of 1m, 5m and 1h equals the roll-up of the truth, volume and notional included;
* **alerts**: every planted spike is alerted exactly once, or named in the record of the gap that it fell into;
* **gap records**: there is one for each outage and no other, all that was lost lies between its `from` and `to`, and it is
  repaired in the end.

Losses are allowed in these cases only, and the cell counts them: events sent while the socket was down; a flood or a full disk
(unwatched symbols are shed); a flipped bit (one record); an emptied Redis (what is older than the spool). Each is a gap and
repaired. Without REST such a gap stays open or becomes unrepairable.

"""


def markdown(lines: Iterable[Line]) -> str:
    """The table in Markdown."""
    head = ("fault", *COLUMNS)
    table = [head, ("---",) * len(head)]
    for name, cells in lines:
        table.append((name, *(_text(cells[column]) for column in COLUMNS)))
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def document(lines: Iterable[Line]) -> str:
    """The page: what each column means, when and where the table was made, the table."""
    when = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    return _PREFACE.format(when=when, machine=_machine()) + markdown(lines) + "\n"


def _text(cell: Cell) -> str:
    words = " ".join(cell.text.replace("|", "/").split())
    return f"**FAILED**: {words}" if cell.passed is False else words


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
