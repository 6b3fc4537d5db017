"""What the log shows of alerts: each with its event time, those of the past in one line."""

from __future__ import annotations

import asyncio
import logging

import pytest

from ingest import alert_log as module
from ingest.alert_log import AlertLog
from redis_functions.contract.alerts import Alert

T = 1_760_104_800_000  # 2025-10-10 14:00:00 UTC


def alert(t: int) -> Alert:
    return Alert(f"velocity:A:{t}:up", t, "A", "velocity", "warning", "up", 1.0, f"A up at {t}", 10.0)


def logged(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.name == "tapewatch.alerts"]


def test_an_hour_that_is_sent_at_once_is_one_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "tapewatch.alerts")
    monkeypatch.setattr(module, "QUIET_S", 0.05)

    async def work() -> None:
        log = AlertLog()
        for minute in range(60):
            log.raised(alert(T + 60_000 * minute))
        while len(logged(caplog)) < 2:
            await asyncio.sleep(0.01)
        log.raised(alert(T + 60_000 * 59 + 1_000))

    asyncio.run(asyncio.wait_for(work(), 10))
    assert logged(caplog) == [
        f"A up at {T}",
        "59 alerts of the past raised, 2025-10-10T14:01:00Z to 2025-10-10T14:59:00Z",
        f"A up at {T + 60_000 * 59 + 1_000}",
    ]


def test_alerts_at_the_pace_of_the_clock_are_logged_each_with_its_event_time(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tapewatch.alerts")

    async def work() -> None:
        log = AlertLog()
        for second in range(0, 60, 10):  # a delayed feed: its event times are old, and pass as the clock does
            log.raised(alert(T + 1_000 * second))

    asyncio.run(work())
    assert len(logged(caplog)) == 6
    assert vars(caplog.records[-1])["at"] == "2025-10-10T14:00:50Z"


def test_a_summary_comes_before_the_next_alert(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "tapewatch.alerts")

    async def work() -> None:
        log = AlertLog()
        for t in (T, T + 60_000, T + 120_000, T + 121_000):
            log.raised(alert(t))

    asyncio.run(work())
    assert [line.split()[0] for line in logged(caplog)] == ["A", "2", "A"]
