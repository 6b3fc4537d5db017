"""The tape's letters and correction codes."""

from __future__ import annotations

import csv
import gzip
from pathlib import Path

import pytest

from market.conditions import ConditionTable
from market.tape_letters import LETTER_IDS, counts, parse_letters


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("", ()),
        ("    ", ()),
        ("@", ()),
        ("F", (14,)),
        ("FTI", (14, 12, 37)),
        ("F I", (14, 37)),
        ("@F I", (14, 37)),
        ("R UB", (29, 13, 2)),
        ("N TB", (20, 12, 2)),
        ("7 V", (53, 52)),
        ("4", (10,)),
        ("6", (19,)),
        ("TP", (12, 22)),
        ("C  I", (7, 37)),
        ("ZI", (32, 37)),
        ("M", (15,)),
        ("Q", (16,)),
        ("O", (17,)),
    ],
)
def test_letters_become_the_vendors_ids_in_order(text: str, ids: tuple[int, ...]) -> None:
    assert parse_letters(text) == ids


def test_every_letter_has_a_rule() -> None:
    assert set(LETTER_IDS.values()) <= ConditionTable.frozen().conditions.keys()


@pytest.mark.parametrize("text", ["?", "F?", "i", "8", "\t"])
def test_an_unknown_letter_is_refused_by_name(text: str) -> None:
    with pytest.raises(ValueError, match="unknown sale condition"):
        parse_letters(text)


def test_all_letters_of_the_real_tape_are_known(data: Path) -> None:
    with gzip.open(data / "us-tape-2018/trades.csv.gz", "rt", newline="") as file:
        texts = {row["sale_condition"] for row in csv.DictReader(file)}
    assert len(texts) == 33
    assert {number for text in texts for number in parse_letters(text)} == set(LETTER_IDS.values())


@pytest.mark.parametrize(
    ("correction", "does"), [(0, True), (1, True), (12, True), *((c, False) for c in (7, 8, 10, 11))]
)
def test_corrections_that_count(correction: int, does: bool) -> None:
    assert counts(correction) is does
