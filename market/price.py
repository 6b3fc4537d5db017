"""Prices and money as integers in 1/10000 of the currency ("ticks"): they compress well and sum exactly.

2**53 ticks are 900 billion dollars, so a heavy day of one symbol still sums exactly in a double.
"""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Decimal

#: Ticks in one unit of the currency.
SCALE = 10_000

#: The notional of a bar whose source has no VWAP. So large and negative that it outweighs any sum it enters:
#: a candle whose notional is below zero has no VWAP (``vw`` null). A missing sample would give a wrong one instead.
NO_NOTIONAL = -(10**18)

_ONE = Decimal(1)
_MICRO = 1_000_000
#: Below this the product of the doubles is off by less than 1e-4 (four roundings of 2**-53 each).
TRUSTED = 1e11


def ticks(price: float) -> int:
    """`price` in ticks, rounded half to even on its decimal digits: ``ticks(189.4321) == 1894321``."""
    scaled = price * SCALE
    whole = round(scaled)
    if abs(scaled - whole) < 0.4999 and -TRUSTED < scaled < TRUSTED:
        return whole
    # The product of two doubles may miss an exact half by a hair: only then are the decimal digits looked at.
    return _whole_ticks(_decimal(price))


def notional(price: float, size: float) -> int:
    """``price x size`` in ticks, rounded half to even on the decimal digits."""
    scaled = price * size * SCALE
    whole = round(scaled)
    if abs(scaled - whole) < 0.4999 and -TRUSTED < scaled < TRUSTED:
        return whole
    return _whole_ticks(_decimal(price) * _decimal(size))


def _decimal(number: float) -> Decimal:
    return Decimal(repr(float(number)))


def _whole_ticks(amount: Decimal) -> int:
    return int((amount * SCALE).quantize(_ONE, ROUND_HALF_EVEN))


def real(amount: int | float) -> float:
    """Ticks as a real number: ``real(1894321) == 189.4321``."""
    return amount / SCALE


def text(price: float) -> str:
    """A price for people, with all digits of its ticks and no more: ``text(745123.45) == "745123.45"``."""
    return f"{price:.4f}".rstrip("0").rstrip(".")


def vwap(
    notional_ticks: float | None, volume: float | None, low: float | None = None, high: float | None = None
) -> float | None:
    """Volume-weighted average price ``notional / volume``; None without volume or where a part had no notional.

    The notional of a fraction of a share is rounded to a tick, which may put the quotient outside of `low` and `high` (ticks):
    a difference that rounding explains is taken back.
    """
    if not volume or notional_ticks is None or notional_ticks < 0:
        return None
    if volume % 1 and low is not None and high is not None:
        notional_ticks = within(notional_ticks, volume, low, high)
    price = notional_ticks / volume / SCALE
    # As round(price, 6), which takes twice as long: the product may miss an exact half by a hair, and only then it matters.
    scaled = price * _MICRO
    if scaled < TRUSTED and abs(scaled - (whole := round(scaled))) < 0.4999:
        return whole / _MICRO
    return round(price, 6)


#: Ticks that the rounding of notionals may add up to: half a tick for each second of an hour.
ROUNDING = 1_800


def within(notional_ticks: float, volume: float, low: float, high: float) -> float:
    """The notional moved to the price range of its volume, if it misses that range by no more than ROUNDING."""
    least, most = low * volume, high * volume
    if least - ROUNDING <= notional_ticks < least:
        return least
    if most < notional_ticks <= most + ROUNDING:
        return most
    return notional_ticks
