"""The vendor's REST: bars of one symbol, closes of one day, splits, sale conditions.

Pages are asked for by their time: `next_url` may lead anywhere and holds nothing more.
"""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Any
from urllib.parse import quote

from market.bar import MINUTE_MS, SECOND_MS, Bar
from market.conditions import ConditionTable
from vendor.interface import AskedBars, RestConfig, RestUnavailable
from vendor.massive.conditions import table_of
from vendor.massive.http import Clock, Http
from vendor.massive.rows import closes_of, page_of, split_ratios_of

log = logging.getLogger("tapewatch.rest")

#: Base aggregates in one page, the vendor's most.
PAGE = 50_000
_UNITS = {SECOND_MS: "second", MINUTE_MS: "minute"}
#: From so many rows on they are converted beside the event loop.
_MANY = 2_000


class HttpRest:
    """See `vendor.interface.Rest`."""

    def __init__(self, config: RestConfig, clock: Clock | None = None) -> None:
        self._http = Http(config, clock)
        self.set_aside = 0

    @property
    def requests(self) -> int:
        return self._http.requests

    @property
    def retried(self) -> int:
        return self._http.retried

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> AskedBars:
        """See `Rest.bars`: the vendor's second or minute aggregates, not adjusted for splits, like the feed's."""
        path = f"/v2/aggs/ticker/{quote(symbol, safe='')}/range/1/{_UNITS[span_ms]}"
        query = {"adjusted": "false", "sort": "asc", "limit": str(PAGE)}
        found: list[Bar] = []
        unusable = 0
        while start <= end:
            body = await self._http.fetch(f"{path}/{start}/{end}", query)
            rows = _rows(body)
            if len(rows) < _MANY:
                page = page_of(symbol, rows, span_ms, start, end)
            else:
                page = await asyncio.to_thread(page_of, symbol, rows, span_ms, start, end)
            self._note_odd(page.odd, f"bars of {symbol}")
            found += page.bars
            unusable += page.unusable
            if not page.bars or not isinstance(body, dict) or not body.get("next_url"):
                break
            start = page.bars[-1].t + span_ms
        return AskedBars(found, unusable)

    async def closes(self, day: date) -> dict[str, float]:
        """See `Rest.closes`: the vendor's grouped daily bars, one call for the whole market."""
        path = f"/v2/aggs/grouped/locale/us/market/stocks/{day.isoformat()}"
        closes, odd = closes_of(_rows(await self._http.fetch(path, {"adjusted": "false"})))
        self._note_odd(odd, f"closes of {day}")
        return closes

    async def split_ratios(self, after: date, until: date) -> dict[str, float]:
        """See `Rest.split_ratios`. One page: a day has a few dozen."""
        query = {"execution_date.gt": after.isoformat(), "execution_date.lte": until.isoformat(), "limit": "1000"}
        ratios, odd = split_ratios_of(_rows(await self._http.fetch("/v3/reference/splits", query)), after, until)
        self._note_odd(odd, f"splits until {until}")
        return ratios

    async def sale_conditions(self) -> ConditionTable | None:
        """See `Rest.sale_conditions`. One page: the list has 94 rows."""
        query = {"asset_class": "stocks", "data_type": "trade", "limit": "1000"}
        rows = _rows(await self._http.fetch("/v3/reference/conditions", query))
        if not rows:
            return None
        table, odd = table_of(rows)
        self._note_odd(odd, "sale conditions")
        return table

    async def close(self) -> None:
        await self._http.close()

    def _note_odd(self, rows: int, of: str) -> None:
        if rows:
            self.set_aside += rows
            log.warning("set aside %d rows of the vendor's %s: a field is missing, or no such value can be", rows, of)


def _rows(body: dict[str, Any] | list[Any]) -> list[Any]:
    """The rows of an answer, none where it has none. Raises RestUnavailable for another shape."""
    rows = (body.get("results") or []) if isinstance(body, dict) else None
    if not isinstance(rows, list):
        raise RestUnavailable("an answer of another shape than a list of rows")
    return rows
