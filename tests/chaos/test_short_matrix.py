"""The quick rows of the loss matrix on a small market; all rows: `make chaos`."""

from __future__ import annotations

import pytest

from tests.chaos import matrix
from tests.chaos.soak import EVERY_S, KINDS, REST_S, plan
from tests.chaos.table import markdown


@pytest.mark.timeout(180)
def test_every_cell_of_the_short_matrix_passes() -> None:
    rows = matrix.chosen([], short=True)
    assert len(rows) >= 3
    lines = matrix.run(rows, at_once=len(rows))
    assert matrix.passed(lines), markdown(lines)


def test_a_soak_has_every_kind_of_kill_before_it_repeats_one() -> None:
    planned = plan(200, seed=3)
    assert [at for at, _ in planned] == [EVERY_S * k for k in range(1, 10)]
    assert planned[-1][0] <= 200 - REST_S
    assert all(
        sorted(kind for _, kind in planned[i : i + len(KINDS)]) == sorted(KINDS) for i in range(0, 9, len(KINDS))
    )
    assert plan(200, seed=3) == planned != plan(200, seed=4)
