"""Yesterday's closes: from the vendor's grouped daily bars (one call for the whole market), else from what Redis holds.

What is used is written to `previous_close:{DAY}`, so that REST derives velocity on the very same base.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import date, timedelta
from functools import partial
from typing import Any

from redis.asyncio import Redis

from market.price import real
from market.sessions import TradingDay
from redis_functions.contract import keys
from vendor.massive.rest import Refused, Unavailable, VendorRest

log = logging.getLogger("tapewatch.ingest")

#: Days looked back for a trading day: the longest closure of recent decades was four trading days and a weekend.
LOOK_BACK_DAYS = 7
#: How long the hash of a day is kept, seconds.
EXPIRE_S = 8 * 86_400


async def fetch_grouped(rest: VendorRest, day: date) -> dict[str, float]:
    """Closes of the last day with trading before `day`, by symbol; empty when the vendor has none. Raises as `rest` does."""
    for back in range(1, LOOK_BACK_DAYS + 1):
        wanted = (day - timedelta(days=back)).isoformat()
        body = await rest.json(partial(_ask_grouped, wanted))
        rows = body.get("results") if isinstance(body, dict) else None
        closes = {str(r["T"]): float(r["c"]) for r in rows or [] if r.get("T") and r.get("c")}
        if closes:
            return closes
    return {}


def _ask_grouped(day: str, client: Any) -> Any:
    return client.get_grouped_daily_aggs(day, adjusted=True, raw=True)


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
        name = keys.previous_close(day.date)
        await client.hset(name, mapping={symbol: repr(close) for symbol, close in closes.items()})
        await client.expire(name, EXPIRE_S)
    log.info("previous closes of %d symbols for %s", len(closes), day.date)
    return closes
