"""The vendor's list of sale conditions, laid over the table that ships with the project.

A row: ``{"id": 37, "type": "sale_condition", "name": "Odd Lot Trade", "asset_class": "stocks", "data_types": ["trade"],
"update_rules": {"consolidated": {"updates_high_low": false, "updates_open_close": false, "updates_volume": true}}}``
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from market.conditions import Condition, ConditionTable, Effect

#: Kinds of rows that carry update rules for trades; ids are reused between kinds.
_SALE_TYPES = ("sale_condition", "trade_thru_exempt")
_FLAGS = ("updates_high_low", "updates_open_close", "updates_volume")


def table_of(rows: Iterable[Any], as_of: str = "") -> tuple[ConditionTable, int]:
    """The shipped table with the rows of stock trades laid over it, and how many of those rows cannot be used.

    A condition whose row is missing or does not hold three booleans keeps its shipped effect.
    """
    base = ConditionTable.frozen()
    conditions, ignored, odd = dict(base.conditions), set(base.ignored), 0
    for row in rows:
        if not isinstance(row, dict) or type(row.get("id")) is not int:
            odd += 1
        elif not _is_of_stock_trades(row):
            continue
        elif not isinstance(row.get("type"), str):
            odd += 1
        elif row["type"] not in _SALE_TYPES:
            ignored.add(row["id"])
        elif effect := _consolidated(row):
            conditions[row["id"]] = Condition(str(row.get("name", "")), effect)
        else:
            odd += 1
    return ConditionTable(conditions, ignored, as_of or base.as_of), odd


def _is_of_stock_trades(row: Mapping[str, Any]) -> bool:
    types = row.get("data_types")
    return row.get("asset_class", "stocks") == "stocks" and isinstance(types, list) and "trade" in types


def _consolidated(row: Mapping[str, Any]) -> Effect | None:
    rules = row.get("update_rules")
    rules = rules.get("consolidated") if isinstance(rules, dict) else None
    flags = [flag for name in _FLAGS if isinstance(flag := rules.get(name), bool)] if isinstance(rules, dict) else []
    return Effect(*flags) if len(flags) == len(_FLAGS) else None
