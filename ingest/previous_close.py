"""Yesterday's closes: from the vendor's grouped daily bars (one call for the whole market), else from what Redis holds.

The tape's prices are as they were, so the closes are too: unadjusted, and corrected only by splits that took effect up to
the day itself. A close adjusted to today would put every later split into the moves of a replayed day.

What is used is written to `previous_close:{DAY}`, so that REST derives velocity on the very same base.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta

from redis.asyncio import Redis

from market.limits import is_stored_price
from market.price import real
from market.sessions import TradingDay
from redis_functions.read.samples import read_newest_between
from redis_functions.write.previous_closes import write_previous_closes
from vendor.interface import Rest, RestRefused, RestUnavailable

log = logging.getLogger("tapewatch.ingest")

#: Days looked back for a trading day: the longest closure of recent decades was four trading days and a weekend.
LOOK_BACK_DAYS = 7


async def fetch_closes(rest: Rest, day: date) -> dict[str, float]:
    """Closes of the last day with trading before `day`, as prices of `day`; empty when the vendor has none.

    Raises RestRefused and RestUnavailable.
    """
    for back in range(1, LOOK_BACK_DAYS + 1):
        closed = day - timedelta(days=back)
        closes = await rest.closes(closed)
        if closes:
            return await _split_adjusted(rest, closes, closed, day)
    return {}


async def _split_adjusted(rest: Rest, closes: dict[str, float], closed: date, day: date) -> dict[str, float]:
    """The closes of the day `closed` as prices of `day`; as they are where the vendor does not answer."""
    try:
        ratios = await rest.split_ratios(closed, day)
    except (RestRefused, RestUnavailable) as error:
        log.warning(
            "no splits from the vendor, a share that was split for %s shows the split as its change: %s", day, error
        )
        return closes
    return {symbol: close * ratios.get(symbol, 1.0) for symbol, close in closes.items()}


async def read_stored(client: Redis, symbols: Iterable[str], day: TradingDay) -> dict[str, float]:
    """Each symbol's last hourly close before `day` that Redis holds, at most LOOK_BACK_DAYS old."""
    oldest = day.start - LOOK_BACK_DAYS * 86_400_000
    found = await read_newest_between(client, list(symbols), "1h", "close", oldest, day.start - 1)
    return {symbol: real(sample.value) for symbol, sample in found.items() if is_stored_price(sample.value)}


async def previous_closes(
    client: Redis, day: TradingDay, symbols: Iterable[str], rest: Rest | None
) -> dict[str, float]:
    """The closes to measure `day` against, and writes them to `previous_close:{DAY}`."""
    closes: dict[str, float] = {}
    if rest is not None:
        try:
            closes = await fetch_closes(rest, day.date)
        except (RestRefused, RestUnavailable) as error:
            log.warning("no previous closes from the vendor: %s", error)
    if not closes:
        closes = await read_stored(client, symbols, day)
    if closes:
        await write_previous_closes(client, day.date, closes)
    log.info("previous closes of %d symbols for %s", len(closes), day.date)
    return closes
