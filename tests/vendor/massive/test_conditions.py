"""The vendor's list of sale conditions over the shipped table."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from market.conditions import ConditionTable, Effect
from vendor.massive.conditions import table_of

REST_FLAGS = ("updates_high_low", "updates_open_close", "updates_volume")
EVERYTHING, VOLUME_ONLY = Effect(True, True, True), Effect(False, False, True)
NOT_LAST, PRICES_ONLY = Effect(True, False, True), Effect(True, True, False)


@pytest.fixture
def table() -> ConditionTable:
    return ConditionTable.frozen()


def rest_row(
    number: int, *, high_low: bool = True, open_close: bool = True, volume: bool = True, **other: Any
) -> dict[str, Any]:
    consolidated = dict(zip(REST_FLAGS, (high_low, open_close, volume), strict=True))
    return {
        "id": number,
        "type": "sale_condition",
        "name": f"condition {number}",
        "asset_class": "stocks",
        "data_types": ["trade"],
        "update_rules": {
            "consolidated": consolidated,
            "market_center": {name: not flag for name, flag in consolidated.items()},
        },
    } | other


def test_the_vendors_own_reply_agrees_with_the_frozen_table(data: Path, table: ConditionTable) -> None:
    reply = json.loads((data / "massive-rest/mocks/v3/reference/conditions&asset_class=stocks.json").read_text())
    assert len(reply["results"]) == 10
    assert table_of(reply["results"])[0].conditions == table.conditions


def test_a_rest_row_replaces_the_frozen_rule_and_the_others_stay(table: ConditionTable) -> None:
    fresh = table_of([rest_row(17, open_close=False), rest_row(90, volume=False)])[0]
    assert fresh.effect((17,), regular=True) == NOT_LAST
    assert fresh.effect((90,), regular=True) == PRICES_ONLY
    assert fresh.effect((37,), regular=True) == VOLUME_ONLY
    assert table.effect((17,), regular=True) == EVERYTHING
    assert table.effect((90,), regular=True) == EVERYTHING
    assert table.unknown == {90: 1}


def test_rows_of_other_things_with_the_same_id_are_left_out(table: ConditionTable) -> None:
    rows = [
        rest_row(12, type="quote_condition", data_types=["bbo", "nbbo"]),
        rest_row(13, asset_class="options"),
        rest_row(37, type="financial_status_indicator"),
        rest_row(41, type="settlement_condition", data_types=["nbbo"], high_low=False),
    ]
    fresh = table_of(rows)[0]
    assert fresh.conditions == table.conditions
    assert fresh.effect((37,), regular=True) == VOLUME_ONLY


def test_trade_through_exemption_is_read_and_new_marks_are_ignored() -> None:
    rows = [
        rest_row(41, type="trade_thru_exempt", open_close=False),
        {
            "id": 72,
            "type": "financial_status_indicator",
            "name": "new",
            "asset_class": "stocks",
            "data_types": ["trade"],
        },
    ]
    fresh = table_of(rows)[0]
    assert fresh.effect((41,), regular=True) == NOT_LAST
    assert fresh.effect((72,), regular=True) == EVERYTHING
    assert not fresh.unknown


@pytest.mark.parametrize(
    "row",
    [
        None,
        "37",
        {},
        {"id": 37},
        rest_row(37, id="37"),
        rest_row(37, id=True),
        rest_row(37, data_types="trade"),
        rest_row(37, update_rules=None),
        rest_row(37, update_rules={}),
        rest_row(37, update_rules={"consolidated": None}),
        rest_row(37, update_rules={"consolidated": {"updates_high_low": True, "updates_open_close": True}}),
        rest_row(37, update_rules={"consolidated": dict.fromkeys(REST_FLAGS, 1)}),
    ],
)
def test_a_row_that_cannot_be_used_keeps_the_frozen_rule(table: ConditionTable, row: Any) -> None:
    assert table_of([row])[0].conditions == table.conditions
