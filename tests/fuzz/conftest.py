"""The long form may take its time."""

from __future__ import annotations

import pytest

from tests.fuzz import LONG

#: Seconds for one test, on a machine that is busy with others.
PATIENCE_S = 3_600


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if LONG and item.path.parent.name == "fuzz":
            item.add_marker(pytest.mark.timeout(PATIENCE_S))
