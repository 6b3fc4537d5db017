"""What a run of the matrix leaves behind for people."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import matrix
from tests.chaos.rows import Row
from tests.chaos.table import PART, markdown, put_into
from tests.chaos.verdict import COLUMNS, Cell

BEGIN, END = f"<!-- {PART} -->", f"<!-- end of {PART} -->"
HELD = dict.fromkeys(COLUMNS, Cell(True, "5 bars, 0 lost; 2 were due | later"))


def test_a_page_keeps_the_newest_table_between_its_marks(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nan older table\n{END}\nafter\n")
    put_into(page, [("a fault", HELD)])
    put_into(page, [("another", HELD)])
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n| fault |")
    assert text.endswith(f"{END}\nafter\n")
    assert "| another | 5 bars, 0 lost |" in text
    assert "older" not in text
    assert "a fault" not in text


def test_a_page_without_marks_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("no table here\n")
    with pytest.raises(ValueError, match="has no"):
        put_into(page, [("a fault", HELD)])
    assert page.read_text() == "no table here\n"


def test_what_failed_is_told_in_full_and_decides() -> None:
    lines = [("a fault", HELD), ("b fault", HELD | {"alerts": Cell(False, "one lost; one twice")})]
    assert "**NOT HELD**: one lost; one twice" in markdown(lines, brief=True)
    assert "held: 5 bars, 0 lost; 2 were due / later" in markdown(lines)
    assert not matrix.holds(lines)


def test_a_row_that_this_machine_cannot_play_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    row = Row("a step", lambda scene: pytest.fail("played"), needs="a clock of its own")
    lines = matrix.run([row], 1)
    assert "not played here: it needs a clock of its own" in markdown(lines, brief=True)
    assert "not played here" in capsys.readouterr().err
    assert matrix.holds(lines)
