"""The vendor's own list of sale conditions, laid over the table that ships with the project."""

from __future__ import annotations

import logging

from market.conditions import ConditionTable
from vendor.interface import Rest, RestRefused, RestUnavailable

log = logging.getLogger("tapewatch.ingest")


async def refreshed(rest: Rest) -> ConditionTable | None:
    """The table as the vendor has it today, or None (the shipped one stays) when it does not answer."""
    try:
        table = await rest.sale_conditions()
    except (RestRefused, RestUnavailable) as error:
        log.warning("sale conditions stay as shipped: %s", error)
        return None
    if table is None:
        log.warning("sale conditions stay as shipped: the vendor's list is empty")
        return None
    shipped = ConditionTable.frozen()
    changed = [number for number, condition in table.conditions.items() if shipped.conditions.get(number) != condition]
    log.info("sale conditions refreshed, %d differ from the shipped table", len(changed))
    return table
