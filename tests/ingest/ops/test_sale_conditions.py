"""The vendor's list of sale conditions is taken where it answers, and the shipped one stays where it does not."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, cast

import pytest

from ingest.ops.sale_conditions import refreshed
from market.conditions import Condition, ConditionTable, Effect
from vendor.interface import Rest, RestRefused, RestUnavailable


@dataclass
class Answers:
    """The one method that is asked."""

    answer: ConditionTable | Exception | None

    async def sale_conditions(self) -> ConditionTable | None:
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


def ask(answer: Any) -> ConditionTable | None:
    return asyncio.run(refreshed(cast(Rest, Answers(answer))))


def test_the_vendors_table_is_taken_and_what_differs_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="tapewatch")
    shipped = ConditionTable.frozen()
    changed = dict(shipped.conditions) | {9999: Condition("New Kind", Effect(True, False, True))}
    table = ConditionTable(changed, shipped.ignored, "2030-01-01")
    assert ask(table) is table
    assert "1 differ" in caplog.text


@pytest.mark.parametrize("answer", [RestRefused("403"), RestUnavailable("no route"), None])
def test_the_shipped_table_stays_and_that_is_logged(answer: object, caplog: pytest.LogCaptureFixture) -> None:
    assert ask(answer) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "stay as shipped" in caplog.text
