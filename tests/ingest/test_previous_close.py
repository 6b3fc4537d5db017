"""Yesterday's closes as they were: unadjusted, and corrected only by splits up to the day that they are the base of."""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Any

import pytest
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from ingest.previous_close import previous_closes
from market.sessions import trading_day
from redis_functions.contract import keys
from tests.ingest.repair.vendor import Asked, Reply, Vendor
from vendor.interface import RestConfig
from vendor.massive.rest import HttpRest

DAY = date(2020, 8, 31)
SPLIT = {"execution_date": "2020-08-31", "id": "E1", "split_from": 1, "split_to": 4, "ticker": "AAPL"}


def answering(closes: dict[str, Any], splits: list[Any] | int) -> tuple[list[Asked], Any]:
    """The requests made, and a vendor with these closes of Friday 2020-08-28, and these splits or an error's status."""
    asked: list[Asked] = []

    def answer(request: Asked) -> Reply:
        asked.append(request)
        if "/grouped/" in request.path:
            rows = (
                [{"T": symbol, "c": c} for symbol, c in closes.items()] if request.path.endswith("2020-08-28") else []
            )
            return Reply(body={"status": "OK", "results": rows})
        if isinstance(splits, int):
            return Reply(status=splits, body={})
        return Reply(body={"status": "OK", "results": splits})

    return asked, answer


def closes_before(day: date, redis_url: str, answer: Any) -> dict[str, float]:
    async def work(url: str) -> dict[str, float]:
        rest = HttpRest(RestConfig(url, "k", 1000))
        async with AsyncRedis.from_url(redis_url) as client:
            try:
                return await previous_closes(client, trading_day(day), [], rest)
            finally:
                await rest.close()

    with Vendor(answer) as vendor:
        return asyncio.run(work(vendor.url))


def test_closes_are_asked_for_unadjusted_and_follow_a_split_of_the_day(redis: Redis, redis_url: str) -> None:
    """AAPL closed at 499.23 on 2020-08-28 and was split 4 for 1 before the next open."""
    asked, answer = answering({"AAPL": 499.23, "TSLA": 2213.4}, [SPLIT, SPLIT])
    assert closes_before(DAY, redis_url, answer) == {"AAPL": pytest.approx(124.8075), "TSLA": 2213.4}
    grouped = [request for request in asked if "/grouped/" in request.path]
    assert {request.query["adjusted"] for request in grouped} == {"false"}
    assert len(asked) == len(grouped) + 1
    assert asked[-1].query["execution_date.gt"] == "2020-08-28"
    assert asked[-1].query["execution_date.lte"] == "2020-08-31"
    assert float(redis.hget(keys.previous_close(DAY), "AAPL") or 0) == pytest.approx(124.8075)


def test_a_later_split_changes_nothing(redis: Redis, redis_url: str) -> None:
    """Whatever the vendor sends: TSLA was split again in 2022."""
    later = [SPLIT | {"ticker": "TSLA", "execution_date": when} for when in ("2020-09-01", "2022-08-25", "2020-08-28")]
    assert closes_before(DAY, redis_url, answering({"TSLA": 2213.4}, later)[1]) == {"TSLA": 2213.4}


def test_without_an_answer_about_splits_the_closes_stay_as_they_were(
    redis: Redis, redis_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert closes_before(DAY, redis_url, answering({"AAPL": 499.23}, 403)[1]) == {"AAPL": 499.23}
    assert [record.message for record in caplog.records if "splits" in record.message]
