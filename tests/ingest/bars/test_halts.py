"""A halt ends with its resumption, with the next trade, or with its day; nothing older ends it."""

from __future__ import annotations

from ingest.bars.halts import Halts
from market.bar import Bar

T = 1_760_104_800_000


def bar(symbol: str, t: int, close: int | None = 100) -> Bar:
    return Bar(symbol, t, close, close, close, close, 1, 100)


def halted(*symbols: str) -> Halts:
    halts = Halts()
    for symbol in symbols:
        assert halts.halt(symbol, T + 500) == [symbol]
    return halts


def test_a_resumption_ends_it_unless_it_is_older() -> None:
    halts = halted("F")
    assert halts.halt("F", T + 400) == []
    assert halts.resume("F", T) == []
    assert "F" in halts
    assert halts.resume("F", T + 60_000) == ["F"]
    assert halts.resume("F", T + 60_000) == []
    assert len(halts) == 0


def test_a_price_after_it_ends_it() -> None:
    halts = halted("F", "A", "B")
    bars = [bar("F", T), bar("A", T + 1_000, None), bar("B", T + 1_000), bar("C", T + 1_000)]
    assert halts.trade(bars) == ["B"]
    assert "F" in halts
    assert "A" in halts


def test_a_new_day_ends_those_before_it() -> None:
    halts = halted("F")
    halts.halt("A", T + 90_000)
    assert halts.begin_day(T + 60_000) == ["F"]
    assert len(halts) == 1
