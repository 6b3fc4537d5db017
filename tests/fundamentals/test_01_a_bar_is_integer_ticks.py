"""Prices are whole numbers of 1/10000 of the currency: they sum exactly, and they compress three to four times better."""

from market.price import real, ticks
from vendor.massive.decode import decode

FRAME = b'[{"ev":"A","sym":"AAPL","s":1760104800000,"o":0.1,"h":0.3,"l":0.1,"c":0.3,"v":3,"vw":0.2}]'


def test_a_price_becomes_ticks_and_comes_back_as_it_was() -> None:
    assert 0.1 + 0.2 != 0.3
    assert ticks(0.1) + ticks(0.2) == ticks(0.3) == 3_000
    assert real(ticks(189.4321)) == 189.4321


def test_a_bar_of_the_feed_holds_ticks() -> None:
    (bar,) = decode(FRAME).bars
    assert (bar.o, bar.h, bar.l, bar.c) == (1_000, 3_000, 1_000, 3_000)
    assert bar.n == ticks(0.2 * 3)  # the money that changed hands, in the same unit
