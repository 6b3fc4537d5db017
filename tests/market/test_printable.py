"""Text of others never steers what shows it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.printable import printable


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain text, 5 % {x}", "plain text, 5 % {x}"),
        ("Zürich, 東京, €", "Zürich, 東京, €"),
        ("one\ntwo\r\nthree\t", "one\\ntwo\\r\\nthree\\t"),
        ("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m"),
        ("\x9b2J \x7f \x00", "\\x9b2J \\x7f \\x00"),
        ("\u202eback \u2066x\u2069", "\\u202eback \\u2066x\\u2069"),
        ("line\u2028end\u2029", "line\\u2028end\\u2029"),
        ("half \ud83d", "half \\ud83d"),
    ],
)
def test_what_steers_a_terminal_is_shown_as_its_escape(text: str, shown: str) -> None:
    assert printable(text) == shown


@given(st.text())
def test_any_text_becomes_one_line_that_can_be_encoded(text: str) -> None:
    shown = printable(text)
    shown.encode()
    assert "\x1b" not in shown
    assert len(shown.splitlines()) <= 1
    assert printable(shown) == shown
