"""The requirements of the benches: which are met, and how they get into one table."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from bench.table import CLAIMS, Table, read_claims, report, summary


def table() -> Table:
    made = Table("Some", ["a"], "python -m bench.some")
    made.add("1")
    return made


def test_a_claim_is_met_at_its_bound_and_has_a_margin() -> None:
    made = table()
    made.require("rate", 1_800.0, at_least=1_200, unit="/s")
    made.require("rate", 600.0, at_least=1_200, unit="/s")
    made.require("delay", 25.0, at_most=25, unit="ms")
    made.require("delay", 50.0, at_most=25, unit="ms")
    assert [(claim.met, claim.margin) for claim in made.claims] == [
        (True, 1.5),
        (False, 0.5),
        (True, 1.0),
        (False, 0.5),
    ]


def test_what_was_not_measured_is_not_met() -> None:
    made = table()
    made.require("delay", math.nan, at_most=25)
    made.require("rate", math.nan, at_least=25)
    made.require("refused", 0.0, at_most=0)
    assert [claim.met for claim in made.claims] == [False, False, True]
    assert all(math.isnan(claim.margin) for claim in made.claims)


def test_exactly_one_bound() -> None:
    with pytest.raises(ValueError, match="rate"):
        table().require("rate", 1.0)
    with pytest.raises(ValueError, match="rate"):
        table().require("rate", 1.0, at_least=1, at_most=2)


def test_claims_of_several_processes_make_one_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "claims"
    assert read_claims(path) == []
    monkeypatch.setenv(CLAIMS, str(path))
    first, second = table(), table()
    first.require("requests of one worker", 0.914, at_least=0.85, absolute="1,312 of 1,435/s")
    second.require("p99", 31.25, at_most=25, unit="ms")
    report([first])
    report([second])
    assert capsys.readouterr().out.count("## Some") == 2
    assert summary(read_claims(path), "python -m bench").rows == [
        (
            "1.08",
            "yes",
            "requests of one worker",
            "0.914",
            "at least 0.85",
            "1,312 of 1,435/s",
            "`python -m bench.some`",
        ),
        ("0.80", "**no**", "p99", "31.2 ms", "at most 25 ms", "-", "`python -m bench.some`"),
    ]
