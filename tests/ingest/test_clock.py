"""The wall clock of ingest: it follows a step forward and ignores one back."""

from __future__ import annotations

import time

import pytest

from ingest.clock import Clock

SECOND = 1_000_000_000


def test_a_step_back_is_ignored_and_a_step_forward_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    wall, monotonic = 1_760_104_800 * SECOND, 50 * SECOND
    monkeypatch.setattr(time, "time_ns", lambda: wall)
    monkeypatch.setattr(time, "monotonic_ns", lambda: monotonic)
    clock = Clock()
    assert clock() == 1_760_104_800_000
    wall, monotonic = wall - 3600 * SECOND, monotonic + SECOND
    assert clock() == 1_760_104_801_000
    wall, monotonic = wall + 7200 * SECOND, monotonic + SECOND
    assert clock() == 1_760_104_800_000 + 3_600_000
