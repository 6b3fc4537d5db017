"""Numbers read eight digits at a time are the numbers that Python reads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from redis_functions.decimal_text import Positions, parse, same_rows

PREFIX = b"*1\r\n*2\r\n:"

INTEGERS = st.integers(-(10**20), 10**20).map(str)
FRACTIONS = st.floats(allow_nan=False, allow_infinity=False).map(repr)
NUMBERS = INTEGERS | FRACTIONS | st.integers(0, 10**16).map(str)


def placed(texts: Sequence[str]) -> tuple[bytes, Positions, Positions]:
    """The texts a line each behind a prefix, and where each begins and ends."""
    starts, ends, line = [], [], PREFIX
    for text in texts:
        starts.append(len(line))
        line += text.encode()
        ends.append(len(line))
        line += b"\r\n+"
    return line, np.array(starts, np.intp), np.array(ends, np.intp)


@given(st.lists(NUMBERS, max_size=20))
def test_every_number_is_what_python_reads(texts: list[str]) -> None:
    assert parse(*placed(texts)).tolist() == [float(text) for text in texts]


@pytest.mark.parametrize("text", ["", "12a4", "1:3", "-", "TSDB: key does not exist"])
def test_what_is_no_number_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="could not convert"):
        parse(*placed(["17", text, "4"]))


@given(st.lists(st.lists(st.sampled_from(["12345678", "12345679", "1760103000000", "1"]), min_size=2, max_size=2)))
def test_rows_are_the_same_where_their_texts_are(rows: list[list[str]]) -> None:
    text, starts, ends = placed([word for row in rows for word in row])
    told = all(len(word) >= 8 for row in rows for word in row) and all(row == rows[0] for row in rows)
    assert same_rows(text, starts.reshape(-1, 2), ends.reshape(-1, 2)) == told


def test_sixteen_digits_are_exact_and_a_shape_is_kept() -> None:
    text, starts, ends = placed(["9007199254740991", "9007199254740990", "0", "123456789"])
    found = parse(text, starts.reshape(2, 2), ends.reshape(2, 2))
    assert found.tolist() == [[9007199254740991.0, 9007199254740990.0], [0.0, 123456789.0]]
