"""Jobs beside the stream: after any error they are tried again, and it is logged once."""

from __future__ import annotations

import asyncio
import logging

import pytest
from redis.exceptions import ConnectionError

from ingest import upkeep as module
from ingest.spool.errors import SpoolBroken
from ingest.upkeep import Upkeep
from redis_functions.availability import Availability
from redis_functions.write.writer import StoreEmptied


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)
    monkeypatch.setattr(module, "PAUSE_S", 0.001)


class Job:
    """Raises its troubles one by one, then returns how often it ran."""

    def __init__(self, *trouble: Exception) -> None:
        self.trouble = list(trouble)
        self.runs = 0

    async def __call__(self) -> int:
        self.runs += 1
        if self.trouble:
            raise self.trouble.pop(0)
        return self.runs


def test_an_error_that_nobody_expected_is_logged_once_and_the_job_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")
    job = Job(*[ValueError("an odd row") for _ in range(5)])
    assert asyncio.run(Upkeep(Availability()).until_done("reading rows", job)) == 6
    first, last = caplog.records
    assert first.getMessage().startswith("reading rows failed; it is tried again every")
    assert first.exc_info is not None
    assert last.getMessage() == "reading rows works again"


def test_a_redis_that_does_not_serve_is_the_business_of_all(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")
    job = Job(*[ConnectionError("refused") for _ in range(5)])
    assert asyncio.run(Upkeep(Availability()).until_done("the report", job)) == 6
    assert [r.getMessage()[:20] for r in caplog.records] == ["Redis is unreachable", "Redis serves again: "]


@pytest.mark.parametrize("error", [StoreEmptied("gone"), SpoolBroken("disk")])
def test_what_ends_an_engine_or_the_process_passes(error: Exception) -> None:
    with pytest.raises(type(error)):
        asyncio.run(Upkeep(Availability()).until_done("the watermark", Job(error)))


def test_a_periodic_job_comes_again_after_a_failure() -> None:
    job = Job(ValueError("once"))

    async def go() -> None:
        task = asyncio.create_task(Upkeep(Availability()).every(0, "a job", job))
        async with asyncio.timeout(20):
            while job.runs < 5:
                await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    asyncio.run(go())
