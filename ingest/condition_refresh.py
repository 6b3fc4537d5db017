"""The vendor's own list of sale conditions, laid over the table that ships with the project."""

from __future__ import annotations

import asyncio
import json
import logging

from market.conditions import ConditionTable

log = logging.getLogger("tapewatch.ingest")


def fetch(base: str, key: str) -> ConditionTable:
    """The table as the vendor tells it today (94 rows, one page). Blocks; may raise."""
    from massive import RESTClient  # 19 MB: only who asks the vendor's REST pays for it

    client = RESTClient(api_key=key or "none", base=base.rstrip("/"), retries=2)
    reply = client.list_conditions(asset_class="stocks", data_type="trade", limit=1000, raw=True)
    rows = json.loads(reply.data).get("results") or []
    if not rows:
        raise ValueError("the vendor's list is empty")
    return ConditionTable.from_rest(rows)


async def refreshed(base: str, key: str) -> ConditionTable | None:
    """The refreshed table, or None (the shipped one stays) when the vendor cannot be asked."""
    try:
        table = await asyncio.to_thread(fetch, base, key)
    except Exception as error:  # the vendor's client raises many kinds; none may stop the stream
        log.warning("sale conditions stay as shipped: %s", type(error).__name__)
        return None
    changed = {i for i, c in table.conditions.items() if ConditionTable.frozen().conditions.get(i) != c}
    log.info("sale conditions refreshed, %d differ from the shipped table", len(changed))
    return table
