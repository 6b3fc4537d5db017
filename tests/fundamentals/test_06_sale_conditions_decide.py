"""Not every print may set a price: its sale conditions decide, and the strictest of several applies."""

from ingest.bars.trade_bars import TradeBars
from market.bar import Bar, Trade

T = 1_760_104_800_000  # 10:00 in New York


def bar_of(*prints: tuple[float, int, tuple[int, ...]]) -> Bar:
    bars = TradeBars()
    bars.add_many([Trade("F", T + n, price, size, conditions, n) for n, (price, size, conditions) in enumerate(prints)])
    (bar,) = bars.take()
    return bar


def test_what_a_print_may_set() -> None:
    plain, odd_lot, out_of_sequence, official_close = (), (37,), (32,), (15,)
    bar = bar_of((10.0, 100, plain), (99.0, 5, odd_lot), (12.0, 100, out_of_sequence), (50.0, 100, official_close))
    assert (bar.o, bar.c) == (100_000, 100_000)
    assert (bar.h, bar.l) == (120_000, 100_000)  # the print out of sequence moves high and low, no more
    assert bar.v == 205  # odd lots count as volume, a repeated official price does not


def test_of_several_conditions_any_no_wins() -> None:
    assert bar_of((10.0, 100, ()), (20.0, 100, (32, 37))).h == 100_000
