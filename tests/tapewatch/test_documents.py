"""Generated files equal what their tables generate."""

from __future__ import annotations

import pytest

from tapewatch import documents
from tests.support import ROOT


def test_every_file_is_as_its_table_has_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert documents.main(["--check"]) == 0, capsys.readouterr().err


def test_a_file_that_differs_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    page = ROOT / "docs/statistics.md"
    monkeypatch.setattr(documents, "documents", lambda: {page: "other"})
    assert documents.main(["--check"]) == 1
    assert capsys.readouterr().err == "docs/statistics.md differs from its table: make docs\n"
    assert page.read_text() != "other"
