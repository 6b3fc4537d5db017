"""What a number of a bar or a print may be at most and at least: beyond, it is a mistake, whichever way it came in.

The feed, REST, files and the readers of stored values all ask here.
"""

from __future__ import annotations

#: A price from here on cannot be one (the dearest share costs under a million); one up to MIN_PRICE is no tick.
MAX_PRICE = 100_000_000.0
MIN_PRICE = 0.00005
#: In ticks; a double holds every whole number below it.
MAX_NOTIONAL = 2**53
#: In shares.
MAX_VOLUME = 1e15
#: Epoch ms, the year 5138: beyond it ms and µs are indistinguishable.
MAX_TIME = 100_000_000_000_000
#: The same as MAX_PRICE, as it is stored.
MAX_PRICE_TICKS = round(MAX_PRICE * 10_000)


def are_prices(o: float, h: float, low: float, c: float) -> bool:
    """Whether four numbers can be a bar's open, high, low and close, in the currency.

    One chain finds every bad price: NaN and disorder make a comparison false.
    """
    return MIN_PRICE < low <= o <= h < MAX_PRICE and low <= c <= h


def is_price(price: float) -> bool:
    """Whether a number can be a price, in the currency; NaN and infinity cannot."""
    return MIN_PRICE < price < MAX_PRICE


def is_volume(size: float) -> bool:
    """Whether a number can be a volume or the size of a print, in shares; 0 can."""
    return 0.0 <= size < MAX_VOLUME


def is_time(t: float) -> bool:
    """Whether a number can be an instant, epoch ms; epoch seconds and ms are indistinguishable here."""
    return 0 < t < MAX_TIME


def bar_fault(t: float, o: float, h: float, low: float, c: float, volume: float) -> str | None:
    """Why these numbers cannot be a bar (`bad_time`, `bad_price`, `bad_volume`), None where they can; prices in the currency."""
    if not is_time(t):
        return "bad_time"
    if not are_prices(o, h, low, c):
        return "bad_price"
    return None if is_volume(volume) else "bad_volume"


def is_stored_price(ticks: float) -> bool:
    """Whether a stored number can be a price: ticks of 1/10000, as in the series and in `latest:{SYM}`."""
    return 1 <= ticks < MAX_PRICE_TICKS
