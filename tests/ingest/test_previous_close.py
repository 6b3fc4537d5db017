"""Yesterday's closes as they were: unadjusted, and corrected only by splits up to the day that they are the base of."""

from __future__ import annotations

import asyncio
import logging
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis import Redis
from redis.asyncio import Redis as AsyncRedis

from ingest.previous_close import closes_of, previous_closes, split_ratios
from market.sessions import trading_day
from redis_functions.contract import keys
from tests.ingest.repair.vendor import Asked, Reply, Vendor
from vendor.massive.rest import VendorRest

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
        rest = VendorRest(url, "k", 1000)
        async with AsyncRedis.from_url(redis_url) as client:
            try:
                return await previous_closes(client, trading_day(day), [], rest)
            finally:
                rest.close()

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


def test_a_reverse_split_and_two_splits_multiply() -> None:
    reverse = {"execution_date": "2020-08-31", "split_from": 10, "split_to": 1, "ticker": "R"}
    rows = [SPLIT, SPLIT | {"id": "E2", "execution_date": "2020-08-30", "split_to": 2}, reverse]
    ratios = split_ratios({"results": rows}, date(2020, 8, 28), DAY)
    assert ratios == {"AAPL": pytest.approx(1 / 8), "R": 10.0}


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.sampled_from(["AAPL", "2020-08-31"]),
    lambda inner: st.lists(inner, max_size=3)
    | st.dictionaries(
        st.sampled_from(["results", "T", "c", "ticker", "split_from", "split_to", "execution_date", "id"]), inner, max_size=6
    ),
    max_leaves=20,
)  # fmt: skip


@given(JSON)
def test_odd_rows_cost_nothing_but_themselves(body: Any) -> None:
    good = {"results": [{"T": "AAPL", "c": 499.23}, body, SPLIT]}
    assert closes_of(body).keys() <= closes_of(good).keys() | closes_of(body).keys()
    assert "AAPL" in closes_of(good)
    for ratio in split_ratios(good, date(2020, 8, 28), DAY).values():
        assert 0 < ratio < float("inf")
