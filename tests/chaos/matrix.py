"""Plays rows and prints their cells as a table."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.chaos import rows_disk, rows_feed, rows_processes, rows_replay  # noqa: F401 - they add their rows
from tests.chaos.rows import ROWS, Row
from tests.chaos.verdict import COLUMNS, Cell, judge

Line = tuple[str, dict[str, Cell]]


def play(row: Row) -> dict[str, Cell]:
    """One row in a scene of its own. A fault of the scene itself is the first cell's."""
    if row.needs:
        return dict.fromkeys(COLUMNS, Cell(None, f"not played here: it needs {row.needs}"))
    with row.scene(**row.options) as scene:
        try:
            scene.begin(row.before)
            row.play(scene)
            cells = judge(scene, row.promise)
        except Exception as error:
            scene.keep = True
            unknown = dict.fromkeys(COLUMNS, Cell(False, "not known"))
            told = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            return unknown | {COLUMNS[0]: Cell(False, f"{told} (kept: {scene.folder})")}
        scene.keep = not all(cell.held for cell in cells.values())
        if scene.keep:
            print(f"{row.name}: kept {scene.folder}", file=sys.stderr, flush=True)
        return cells


def run(rows: Sequence[Row], at_once: int) -> list[Line]:
    """The rows, so many at once, in the order given; a line of progress as each ends."""
    began = time.monotonic()
    ended = 0

    def one(row: Row) -> Line:
        nonlocal ended
        cells = play(row)
        ended += 1
        word = "held" if holds([(row.name, cells)]) else "NOT HELD"
        if row.needs:
            word = f"not played here, it needs {row.needs}"
        print(
            f"[{ended}/{len(rows)}, {time.monotonic() - began:.0f} s] {row.name}: {word}", file=sys.stderr, flush=True
        )
        return row.name, cells

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, rows))


def chosen(names: Iterable[str], short: bool) -> list[Row]:
    """The rows of these names (a part of a name will do), all without any; only the quick ones of them if `short`."""
    wanted = [name.lower() for name in names]
    found = [r for r in ROWS.values() if not wanted or any(name in r.name.lower() for name in wanted)]
    return [r for r in found if r.quick or not short]


def holds(lines: Iterable[Line]) -> bool:
    """Whether no cell failed that could be played."""
    return all(cell.held is not False for _, cells in lines for cell in cells.values())
