"""One log line when Redis stops serving and one when it serves again, however many parts notice."""

from __future__ import annotations

import logging

import pytest
from redis.exceptions import BusyLoadingError, ConnectionError, OutOfMemoryError, ResponseError

from redis_functions.availability import Availability


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")


def test_many_failures_of_many_parts_are_one_line_and_the_end_is_one(caplog: pytest.LogCaptureFixture) -> None:
    redis = Availability()
    for _ in range(50):
        redis.failed("the writer", ConnectionError("refused"))
        redis.failed("an alert", ConnectionError("refused"))
    redis.served("an alert")
    redis.served("the report")
    assert redis.condition == "Redis is unreachable"
    redis.served("the writer")
    redis.served("the writer")
    begun, ended = (record.getMessage() for record in caplog.records)
    assert begun.startswith("Redis is unreachable: refused")
    assert ended.startswith("Redis serves again: Redis is unreachable for ")
    assert redis.condition == ""


@pytest.mark.parametrize(
    ("error", "condition"),
    [
        (BusyLoadingError("is loading"), "Redis loads its data"),
        (ResponseError("LOADING Redis is loading"), "Redis loads its data"),
        (OutOfMemoryError("command not allowed"), "the memory of Redis is full"),
        (ResponseError("OOM command not allowed"), "the memory of Redis is full"),
        (ResponseError("MISCONF Errors writing to the AOF file"), "the disk of Redis is full or fails"),
        (TimeoutError(), "Redis is unreachable"),
        (
            ResponseError("WRONGPASS invalid"),
            "Redis refuses the user or the password (`tapewatch users apply` sets both)",
        ),
    ],
)
def test_conditions_have_names(error: Exception, condition: str) -> None:
    redis = Availability()
    redis.failed("the writer", error)
    assert redis.condition == condition


def test_another_condition_is_a_line_of_its_own(caplog: pytest.LogCaptureFixture) -> None:
    redis = Availability()
    redis.failed("the writer", ConnectionError("refused"))
    redis.failed("the writer", BusyLoadingError("is loading"))
    redis.served("the writer")
    assert [r.levelname for r in caplog.records] == ["WARNING", "WARNING", "INFO"]
    assert "Redis loads its data, after" in caplog.text


def test_a_part_that_asks_no_more_does_not_keep_the_condition(caplog: pytest.LogCaptureFixture) -> None:
    redis = Availability()
    redis.failed("the writer", ConnectionError("refused"))
    redis.failed("repairs", ConnectionError("refused"))
    redis.withdraw("repairs")
    redis.served("the writer")
    assert redis.condition == ""
    assert len(caplog.records) == 2
