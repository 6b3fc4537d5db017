"""A task that loses a cancellation is ended nevertheless."""

from __future__ import annotations

import asyncio

from ingest.tasks import ended


async def done_at_once() -> None:
    await asyncio.sleep(0)


async def deaf(counts: list[int]) -> None:
    """Ignores the first two cancellations."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            counts.append(1)
            if len(counts) == 3:
                raise


def test_a_task_that_loses_cancellations_ends() -> None:
    async def go() -> None:
        counts: list[int] = []
        task = asyncio.create_task(deaf(counts))
        await asyncio.sleep(0)
        await asyncio.wait_for(ended(task, None, again_s=0.05), 10)
        assert task.cancelled()
        assert len(counts) == 3

    asyncio.run(go())


def test_a_loop_of_wait_fors_ends() -> None:
    """As redis-py does it: some of these lose their first cancellation."""

    async def busy() -> None:
        while True:
            await asyncio.wait_for(done_at_once(), 5)

    async def go() -> None:
        tasks = [asyncio.create_task(busy()) for _ in range(20)]
        await asyncio.sleep(0.01)
        await asyncio.wait_for(ended(*tasks, again_s=0.05), 20)
        assert all(task.done() for task in tasks)

    asyncio.run(go())


def test_what_a_task_raised_is_kept_for_whoever_asks() -> None:
    async def fails() -> None:
        raise ValueError("x")

    async def go() -> None:
        task = asyncio.create_task(fails())
        await asyncio.sleep(0)
        await ended(task)
        assert isinstance(task.exception(), ValueError)

    asyncio.run(go())
