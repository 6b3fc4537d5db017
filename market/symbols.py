"""What a symbol may look like (``AAPL``, ``BRK.B``, ``KIMpL``, ``O:SPY251219C00650000``, ``BTC-USD``), and the test symbols."""

from __future__ import annotations

import re

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_+-]{0,31}\Z")


def is_symbol(text: str) -> bool:
    """Whether `text` may be a symbol: no braces, spaces, controls or wildcards can reach a key or a topic."""
    return _SYMBOL.match(text) is not None


#: The exchanges' test symbols, which print on the real tape at made-up prices: names that no security has, and families of
#: names. ZTS, ZBRA, CBOE, IBOT, ZZZ and the funds CBOJ, CBXA and their like are real and stay out.
_TEST_SYMBOL = re.compile(
    r"CBO|CBX|IBO|IGZ|ZBZX|ZEXIT|ZIEXT|ZTST|ZVV|ZVZZC|ZXIET|ZZK|ZZV"
    r"|Z[A-Z]ZZT|ZZZT[A-Z]"  # Nasdaq: ZVZZT, ZWZZT, ZXZZT; its second family: ZZZTA
    r"|[A-Z]TEST(?:[./p-]?[A-Z]{1,2})?"  # NYSE and Cboe: ATEST, MTEST.A, NTEST.Q, ZTEST
)


def is_test_symbol(symbol: str) -> bool:
    """Whether `symbol` is one of the exchanges' test symbols: its bars are stored, but it has no alerts and is no mover.

    >>> is_test_symbol("ZVZZT"), is_test_symbol("NTEST.Q"), is_test_symbol("ZTS")
    (True, True, False)
    """
    return _TEST_SYMBOL.fullmatch(symbol) is not None
