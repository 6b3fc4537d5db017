"""Runs rows of the matrix and collects their cells."""

from __future__ import annotations

import sys
import time
import traceback
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor

from tests.chaos import rows_disk, rows_feed, rows_processes, rows_redis, rows_replay  # noqa: F401 - they add their rows
from tests.chaos.rows import ROWS, Row
from tests.chaos.verdict import COLUMNS, Cell, judge

Line = tuple[str, dict[str, Cell]]


def play(row: Row) -> dict[str, Cell]:
    """Runs one row in a scene of its own; an error of the scene itself becomes the first cell, failed."""
    if row.needs:
        return dict.fromkeys(COLUMNS, Cell(None, f"not run: it needs {row.needs}"))
    with row.scene(**row.options) as scene:
        try:
            scene.begin(row.before)
            row.play(scene)
            cells = judge(scene, row.promise)
        except Exception as error:
            scene.keep = True
            unknown = dict.fromkeys(COLUMNS, Cell(False, "unknown"))
            reason = str(error) if isinstance(error, AssertionError) else traceback.format_exc()
            return unknown | {COLUMNS[0]: Cell(False, f"{reason} (kept: {scene.folder})")}
        scene.keep = not all(cell.passed for cell in cells.values())
        if scene.keep:
            print(f"{row.name}: kept {scene.folder}", file=sys.stderr, flush=True)
        return cells


def run(rows: Sequence[Row], at_once: int) -> list[Line]:
    """Runs the rows, `at_once` at a time, and returns them in the order given; prints a line as each ends."""
    began = time.monotonic()
    ended = 0

    def one(row: Row) -> Line:
        nonlocal ended
        cells = play(row)
        ended += 1
        word = "passed" if passed([(row.name, cells)]) else "FAILED"
        if row.needs:
            word = f"not run, it needs {row.needs}"
        print(
            f"[{ended}/{len(rows)}, {time.monotonic() - began:.0f} s] {row.name}: {word}", file=sys.stderr, flush=True
        )
        return row.name, cells

    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(one, rows))


def chosen(names: Iterable[str], short: bool) -> list[Row]:
    """The rows whose name contains one of `names` (all rows if there are none); with `short` only the quick ones."""
    parts = [name.lower() for name in names]
    found = [r for r in ROWS.values() if not parts or any(part in r.name.lower() for part in parts)]
    return [r for r in found if r.quick or not short]


def passed(lines: Iterable[Line]) -> bool:
    """Whether no cell failed; rows that could not run do not count."""
    return all(cell.passed is not False for _, cells in lines for cell in cells.values())
