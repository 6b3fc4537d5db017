"""The two records that travel: a trade (one print of the tape) and a bar (one second or minute of one symbol)."""

from __future__ import annotations

from typing import NamedTuple

SECOND_MS = 1_000
MINUTE_MS = 60_000


class Bar(NamedTuple):
    """What happened to one symbol in one second (or minute).

    `t` is the start, epoch ms. Prices and `n` (notional, the sum of price x size) are ticks of 1/10000.
    A price is None where no print of the span may set it; `v` may be fractional; `n` is None where the source
    gives no VWAP. `av` is the vendor's volume of the day so far, if sent.
    """

    sym: str
    t: int
    o: int | None
    h: int | None
    l: int | None  # noqa: E741 - the field's own name
    c: int | None
    v: float
    n: int | None
    span: int = SECOND_MS
    av: float | None = None


class Trade(NamedTuple):
    """One print: `t` epoch ms, `p` real price, `s` shares, `c` sale-condition ids, `q` the ticker's sequence number.

    `key` identifies the print within its symbol and day (None where the source has no identifier).
    """

    sym: str
    t: int
    p: float
    s: float
    c: tuple[int, ...]
    q: int
    key: int | None = None
