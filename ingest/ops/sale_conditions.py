"""The vendor's own list of sale conditions, laid over the table that ships with the project."""

from __future__ import annotations

import logging
from typing import Any

from market.conditions import ConditionTable
from vendor.massive.rest import Refused, Unavailable, VendorRest

log = logging.getLogger("tapewatch.ingest")


async def refreshed(rest: VendorRest) -> ConditionTable | None:
    """The table as the vendor tells it today, or None (the shipped one stays) when it does not."""
    try:
        body = await rest.json(_ask_conditions)
    except (Refused, Unavailable) as error:
        log.warning("sale conditions stay as shipped: %s", error)
        return None
    rows = body.get("results") if isinstance(body, dict) else None
    if not rows:
        log.warning("sale conditions stay as shipped: the vendor's list is empty")
        return None
    table, shipped = ConditionTable.from_rest(rows), ConditionTable.frozen()
    changed = [number for number, condition in table.conditions.items() if shipped.conditions.get(number) != condition]
    log.info("sale conditions refreshed, %d differ from the shipped table", len(changed))
    return table


def _ask_conditions(client: Any) -> Any:
    """One page: the list has 94 rows."""
    return client.list_conditions(asset_class="stocks", data_type="trade", limit=1000, raw=True)
