"""Yesterday's closes: from the vendor's grouped daily bars (one call for the whole market), else from what Redis holds.

The tape's prices are as they were, so the closes are too: unadjusted, and corrected only by splits that took effect up to
the day itself. A close adjusted to today would put every later split into the moves of a replayed day.

What is used is written to `previous_close:{DAY}`, so that REST derives velocity on the very same base.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from typing import Any

from redis.asyncio import Redis

from market.limits import MAX_PRICE, MIN_PRICE
from market.price import real
from market.sessions import TradingDay
from market.symbols import is_symbol
from redis_functions.read.samples import read_newest_between
from redis_functions.write.previous_closes import write_previous_closes
from vendor.massive.rest import Refused, Unavailable, VendorRest

log = logging.getLogger("tapewatch.ingest")

#: Days looked back for a trading day: the longest closure of recent decades was four trading days and a weekend.
LOOK_BACK_DAYS = 7
#: Shares on one side of a split; the vendor's largest are a few thousand.
_MAX_SHARES = 1e9


async def fetch_grouped(rest: VendorRest, day: date) -> dict[str, float]:
    """Closes of the last day with trading before `day`, by symbol; empty when the vendor has none. Raises as `rest` does."""
    for back in range(1, LOOK_BACK_DAYS + 1):
        wanted = day - timedelta(days=back)
        closes = closes_of(await rest.json(partial(_ask_grouped, wanted.isoformat())))
        if closes:
            return await _split_adjusted(rest, closes, wanted, day)
    return {}


async def _split_adjusted(rest: VendorRest, closes: dict[str, float], closed: date, day: date) -> dict[str, float]:
    """The closes of the day `closed` as prices of `day`; as they are where the vendor does not answer."""
    try:
        ratios = split_ratios(await rest.json(partial(_ask_splits, closed.isoformat(), day.isoformat())), closed, day)
    except (Refused, Unavailable) as error:
        log.warning(
            "no splits from the vendor, a share that was split for %s shows the split as its change: %s", day, error
        )
        return closes
    return {symbol: close * ratios.get(symbol, 1.0) for symbol, close in closes.items()}


def closes_of(body: Any) -> dict[str, float]:
    """Symbol to close of the rows ``{"T": "AAPL", "c": 499.23}``; what is no symbol or no price is left out."""
    closes = {}
    for row in _rows(body):
        symbol, close = row.get("T"), _number(row.get("c"))
        if isinstance(symbol, str) and is_symbol(symbol) and MIN_PRICE < close < MAX_PRICE:
            closes[symbol] = close
    return closes


def split_ratios(body: Any, closed: date, day: date) -> dict[str, float]:
    """Symbol to what a close of the day `closed` is multiplied by to be a price of `day`, of the rows ``{"execution_date":
    "2020-08-31", "id": "E1", "split_from": 1, "split_to": 4, "ticker": "AAPL"}``; one id counts once."""
    ratios: dict[str, float] = {}
    seen = set()
    for row in _rows(body):
        symbol, when = row.get("ticker"), row.get("execution_date")
        before, after = _number(row.get("split_from")), _number(row.get("split_to"))
        # Dates of ISO 8601 compare as text.
        if not (isinstance(symbol, str) and isinstance(when, str) and closed.isoformat() < when <= day.isoformat()):
            continue
        split = (symbol, when, str(row.get("id")))
        if 0 < before < _MAX_SHARES and 0 < after < _MAX_SHARES and split not in seen:
            seen.add(split)
            ratios[symbol] = ratios.get(symbol, 1.0) * before / after
    return ratios


def _rows(body: Any) -> list[dict[str, Any]]:
    rows = body.get("results") if isinstance(body, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _number(value: Any) -> float:
    """`value` where it is a number, else NaN, which compares as false."""
    return (
        float(value)
        if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < 1e300
        else math.nan
    )


def _ask_grouped(day: str, client: Any) -> Any:
    return client.get_grouped_daily_aggs(day, adjusted=False, raw=True)


def _ask_splits(after: str, until: str, client: Any) -> Any:
    return client.list_splits(execution_date_gt=after, execution_date_lte=until, limit=1000, raw=True)


async def read_stored(client: Redis, symbols: Iterable[str], day: TradingDay) -> dict[str, float]:
    """Each symbol's last hourly close before `day` that Redis holds, at most LOOK_BACK_DAYS old."""
    oldest = day.start - LOOK_BACK_DAYS * 86_400_000
    found = await read_newest_between(client, list(symbols), "1h", "close", oldest, day.start - 1)
    return {symbol: real(sample.value) for symbol, sample in found.items()}


async def previous_closes(
    client: Redis, day: TradingDay, symbols: Iterable[str], rest: VendorRest | None
) -> dict[str, float]:
    """The closes to measure `day` against, and writes them to `previous_close:{DAY}`."""
    closes: dict[str, float] = {}
    if rest is not None:
        try:
            closes = await fetch_grouped(rest, day.date)
        except (Refused, Unavailable) as error:
            log.warning("no previous closes from the vendor: %s", error)
    if not closes:
        closes = await read_stored(client, symbols, day)
    if closes:
        await write_previous_closes(client, day.date, closes)
    log.info("previous closes of %d symbols for %s", len(closes), day.date)
    return closes
