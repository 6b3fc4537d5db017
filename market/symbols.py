"""What a symbol may look like: ``AAPL``, ``BRK.B``, ``KIMpL``, ``O:SPY251219C00650000``, ``BTC-USD``."""

from __future__ import annotations

import re

_SYMBOL = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_+-]{0,31}\Z")


def is_symbol(text: str) -> bool:
    """Whether `text` may be a symbol: no braces, spaces, controls or wildcards can reach a key or a topic."""
    return _SYMBOL.match(text) is not None
