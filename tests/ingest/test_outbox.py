"""What waits for Redis: order, retries, errors, and the number that the watermark stays behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from redis.exceptions import ConnectionError, RedisError, ResponseError

from ingest import outbox as module
from ingest.outbox import Lane, Outbox
from redis_functions.availability import Availability


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_S", 0.001)


class Words(Lane[str]):
    """Sends words; `trouble` is raised in place of the next ones, `held` keeps all back."""

    name = "a word"
    most = 2

    def __init__(self) -> None:
        super().__init__(Availability())
        self.sent: list[str] = []
        self.trouble: list[RedisError] = []
        self.held = False
        self.tries = 0

    async def send(self, items: Sequence[str]) -> int:
        self.tries += 1
        if self.trouble:
            raise self.trouble.pop(0)
        if self.held:
            return 0
        self.sent += items
        return len(items)


@asynccontextmanager
async def working(box: Outbox) -> AsyncIterator[None]:
    task = asyncio.create_task(box.run())
    try:
        async with asyncio.timeout(20):
            yield
            await box.emptied()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def test_items_are_sent_in_order_and_the_oldest_record_is_known() -> None:
    async def go() -> None:
        words = Words()
        box = Outbox(words)
        assert box.oldest is None
        for number, word in ((7, "a"), (5, "b"), (9, "c")):
            words.put(number, word)
        assert box.oldest == 5
        async with working(box):
            pass
        assert (words.sent, box.oldest) == (["a", "b", "c"], None)

    asyncio.run(go())


def test_what_may_pass_is_tried_again_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="tapewatch")

    async def go() -> None:
        words = Words()
        words.trouble = [ConnectionError("refused") for _ in range(9)]
        async with working(Outbox(words)):
            words.put(1, "a")
        assert (words.sent, words.tries, words.refused) == (["a"], 10, 0)

    asyncio.run(go())
    assert [r.levelname for r in caplog.records] == ["WARNING", "INFO"]


def test_what_redis_refuses_for_good_is_counted_and_does_not_stand_in_the_way() -> None:
    async def go() -> None:
        words = Words()
        words.trouble = [ResponseError("WRONGTYPE of another type")]
        async with working(Outbox(words)):
            for number, word in enumerate("abc"):
                words.put(number, word)
        assert (words.sent, words.refused) == (["b", "c"], 1)

    asyncio.run(go())


def test_a_lane_that_waits_does_not_hold_up_the_others() -> None:
    async def go() -> None:
        waits, goes = Words(), Words()
        waits.held = True
        async with working(Outbox(waits, goes)):
            waits.put(1, "a")
            goes.put(2, "b")
            await goes.emptied()
            assert waits.oldest == 1
            waits.held = False
        assert (waits.sent, goes.sent) == (["a"], ["b"])

    asyncio.run(go())
