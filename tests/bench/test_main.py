"""`python -m bench`: what RESULTS.md holds after a run, also when a bench fails."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import __main__ as module


def test_the_summary_heads_the_tables_and_a_failed_bench_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(module, "CLAIMS_KEPT", tmp_path / "claims.jsonl")
    benches = {"bench.calibrate": ("--short", ""), "bench.is_not_there": ("", ""), "tests.bench.claiming": ("", "")}
    monkeypatch.setattr(module, "BENCHES", benches)
    assert module.main([]) == 1
    text = module.RESULTS.read_text()
    titles = [line for line in text.splitlines() if line.startswith("#")]
    assert titles == [
        "# Measured", "## Required and measured", "## Bytes a sample, by the share of buckets that have one",
        "## bench.is_not_there", "## Claiming",
    ]  # fmt: skip
    row = next(line for line in text.splitlines() if "things" in line)
    assert row == "| 2.00 | yes | things done | 10/s | at least 5/s | - | `python -m tests.bench.claiming` |"
    printed = capsys.readouterr()
    assert printed.out.strip() == text.strip()
    assert "failed: bench.is_not_there" in printed.err


def test_where_nothing_is_claimed_the_summary_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(module, "BENCHES", {"bench.calibrate": ("", "")})
    assert module.main(["--short"]) == 0
    assert "This form measures no requirement" in capsys.readouterr().out


def test_the_short_form_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(module, "CLAIMS_KEPT", tmp_path / "claims.jsonl")
    monkeypatch.setattr(module, "BENCHES", {"tests.bench.claiming": ("", "")})
    assert module.main(["--short"]) == 0
    assert not module.RESULTS.exists()


def test_some_are_measured_again_and_the_others_figures_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RESULTS", tmp_path / "RESULTS.md")
    monkeypatch.setattr(module, "CLAIMS_KEPT", tmp_path / "claims.jsonl")
    benches = {"bench.calibrate": ("--short", ""), "tests.bench.claiming": ("", "")}
    monkeypatch.setattr(module, "BENCHES", benches)
    assert module.main([]) == 0
    text = module.RESULTS.read_text()
    module.RESULTS.write_text(text.replace("## Bytes a sample", "## Kept bytes a sample"))
    page = tmp_path / "page.md"
    page.write_text(f"<!-- {module.PART} -->\n<!-- end of {module.PART} -->\n")
    assert module.main(["--only", "tests.bench.claiming", "--readme", str(page)]) == 0
    again = module.RESULTS.read_text()
    assert [line for line in again.splitlines() if line.startswith("## ")] == [
        "## Required and measured", "## Kept bytes a sample, by the share of buckets that have one", "## Claiming",
    ]  # fmt: skip
    assert "Of this run: tests.bench.claiming." in again
    assert again.count("things done") == page.read_text().count("things done") == 1
    assert "calls made" in again
    assert "calls made" not in page.read_text()
