"""Yesterday's closes: from the vendor's grouped daily bars (one call for the whole market), else from what Redis holds.

What is used is written to `previous_close:{DAY}`, so that REST derives velocity on the very same base.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import date, timedelta

from redis.asyncio import Redis

from market.price import real
from market.sessions import TradingDay
from redis_functions import keys

log = logging.getLogger("tapewatch.ingest")

#: Days looked back for a trading day: the longest closure of recent decades was four trading days and a weekend.
LOOK_BACK_DAYS = 7
#: How long the hash of a day is kept, seconds.
EXPIRE_S = 8 * 86_400


def fetch_grouped(base: str, key: str, day: date) -> dict[str, float]:
    """Closes of the last day with trading before `day`, by symbol; empty when the vendor has none. Blocks; may raise."""
    # Imported here: it costs 19 MB and 0.2 s, which a daemon without a vendor's REST does not need to pay.
    from massive import RESTClient

    client = RESTClient(api_key=key or "none", base=base.rstrip("/"), retries=2)
    for back in range(1, LOOK_BACK_DAYS + 1):
        rows = client.get_grouped_daily_aggs((day - timedelta(days=back)).isoformat(), adjusted=True)
        closes = (
            {r.ticker: float(r.close) for r in rows or [] if r.ticker and r.close} if isinstance(rows, list) else {}
        )
        if closes:
            return closes
    return {}


async def read_stored(client: Redis, symbols: Iterable[str], day: TradingDay) -> dict[str, float]:
    """Each symbol's last hourly close before `day` that Redis holds, at most LOOK_BACK_DAYS old."""
    names = list(symbols)
    pipe = client.pipeline(transaction=False)
    oldest = day.start - LOOK_BACK_DAYS * 86_400_000
    for name in names:
        pipe.execute_command(
            "TS.REVRANGE", keys.series(name, "1h", "close"), oldest, day.start - 1, "LATEST", "COUNT", 1
        )
    replies = await pipe.execute(raise_on_error=False)
    found = {}
    for name, reply in zip(names, replies, strict=True):
        if isinstance(reply, list) and reply:
            found[name] = real(float(reply[0][1]))
    return found


async def previous_closes(
    client: Redis, day: TradingDay, symbols: Iterable[str], rest_url: str, key: str
) -> dict[str, float]:
    """The closes to measure `day` against, and writes them to `previous_close:{DAY}`."""
    closes: dict[str, float] = {}
    if rest_url:
        try:
            closes = await asyncio.to_thread(fetch_grouped, rest_url, key, day.date)
        except Exception as error:  # the vendor's client raises many kinds; none may stop the stream
            log.warning("no previous closes from the vendor: %s", type(error).__name__)
    if not closes:
        closes = await read_stored(client, symbols, day)
    if closes:
        name = keys.previous_close(day.date)
        await client.hset(name, mapping={symbol: repr(close) for symbol, close in closes.items()})
        await client.expire(name, EXPIRE_S)
    log.info("previous closes of %d symbols for %s", len(closes), day.date)
    return closes
