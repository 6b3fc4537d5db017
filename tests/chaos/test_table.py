"""The table that a run of the matrix writes, and what it decides."""

from __future__ import annotations

import pytest

from tests.chaos import matrix
from tests.chaos.rows import Row
from tests.chaos.table import document, markdown
from tests.chaos.verdict import COLUMNS, Cell

PASSED = dict.fromkeys(COLUMNS, Cell(True, "5 bars, 0 lost; 2 were due | later"))


def test_page_has_the_table_with_date_and_machine() -> None:
    page = document([("a fault", PASSED)])
    assert page.startswith("# The loss matrix\n\nWritten by `make chaos` on 20")
    assert "| a fault | 5 bars, 0 lost; 2 were due / later |" in page


def test_a_failed_cell_is_marked_and_fails_the_run() -> None:
    lines = [("a fault", PASSED), ("b fault", PASSED | {"alerts": Cell(False, "one lost; one duplicated")})]
    assert "**FAILED**: one lost; one duplicated" in markdown(lines)
    assert not matrix.passed(lines)
    assert matrix.passed(lines[:1])


def test_a_row_that_this_machine_cannot_run_gives_the_reason(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("a step", lambda scene: pytest.fail("ran"), needs="a clock of its own")
    lines = matrix.run([row], 1)
    assert "not run: it needs a clock of its own" in markdown(lines)
    assert "not run" in capsys.readouterr().err
    assert matrix.passed(lines)
