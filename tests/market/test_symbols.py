"""What may be a symbol."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from market.symbols import is_symbol, is_test_symbol


@pytest.mark.parametrize(
    "text",
    ["A", "AAPL", "BRK.B", "KIMpL", "BAC/PRL", "O:SPY251219C00650000", "X:BTC-USD", "I:SPX", "ZVZZT", "A" * 32, "0700"],
)
def test_symbols(text: str) -> None:
    assert is_symbol(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "*",
        "A*",
        "A B",
        " AAPL",
        "AAPL ",
        "AAPL\n",
        "{AAPL}",
        "A,B",
        ".A",
        "-A",
        "A\x00",
        "Ä",
        "A" * 33,
        "A?",
        "A[1]",
        "$A",
    ],
)
def test_no_symbols(text: str) -> None:
    assert not is_symbol(text)


@given(st.text(max_size=40))
def test_nothing_that_means_something_to_a_key_a_pattern_or_a_topic_list_passes(text: str) -> None:
    if is_symbol(text):
        assert not re.search(r"[\s{}*?\[\],\\\"'\x00-\x1f]", text)
        assert text.isascii()
        assert len(text) <= 32


@pytest.mark.parametrize(
    "symbol",
    [
        "ZVZZT", "ZWZZT", "ZXZZT", "ZJZZT", "ZAZZT", "ZVV", "ZBZX", "ZTST", "ZTEST", "NTEST", "NTEST.A", "NTEST.Q",
        "MTEST.A", "ATEST", "CTEST", "PTEST.W", "ZEXIT", "ZIEXT", "ZXIET", "ZZZTA", "ZZZTX", "CBO", "CBX",
    ],
)  # fmt: skip
def test_the_exchanges_test_symbols(symbol: str) -> None:
    assert is_test_symbol(symbol)


@pytest.mark.parametrize(
    "symbol",
    [
        "ZTS", "ZBRA", "ZTSTF", "CBOE", "CBOJ", "CBXA", "IBOT", "ZZZ", "TESTF", "ATESTING", "ZAZZTX", "ZVZZ", "TEST",
        "LATEST", "AAPL", "Z", "", "zvzzt",
    ],
)  # fmt: skip
def test_securities_that_only_look_like_test_symbols(symbol: str) -> None:
    assert not is_test_symbol(symbol)
