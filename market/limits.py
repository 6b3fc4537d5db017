"""What a number of the feed may be at most and at least: beyond, it is a mistake, and its event is set aside."""

from __future__ import annotations

#: A price from here on cannot be one (the dearest share costs under a million); one up to MIN_PRICE is no tick.
MAX_PRICE = 100_000_000.0
MIN_PRICE = 0.00005
#: In ticks; a double holds every whole number below it.
MAX_NOTIONAL = 2**53
#: In shares.
MAX_VOLUME = 1e15
#: Epoch ms, the year 5138: beyond it ms could not be told from µs.
MAX_TIME = 100_000_000_000_000
