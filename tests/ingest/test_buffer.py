"""The hand-off: frames in order, a bound in bytes, and nothing dropped without being counted."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from ingest.buffer import Buffer


def within_time(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 10))


def test_a_frame_larger_than_the_limit_fits_an_empty_buffer() -> None:
    buffer = Buffer(10)
    assert buffer.put(b"x" * 100)
    assert not buffer.put(b"y")
    assert (buffer.bytes, buffer.dropped, len(buffer)) == (100, 1, 1)


def test_who_waits_is_woken_by_a_frame_and_by_the_end() -> None:
    async def work() -> None:
        buffer = Buffer(10)
        first, second = asyncio.create_task(buffer.get()), None
        await asyncio.sleep(0)
        buffer.put(b"frame")
        assert await first == b"frame"
        second = asyncio.create_task(buffer.get())
        await asyncio.sleep(0)
        buffer.close()
        assert await second is None

    within_time(work())


def test_after_the_end_what_is_left_is_handed_out() -> None:
    async def work() -> None:
        buffer = Buffer(10)
        buffer.put(b"a")
        buffer.put(b"b")
        buffer.close()
        assert [await buffer.get() for _ in range(4)] == [b"a", b"b", None, None]

    within_time(work())


@given(st.integers(1, 50), st.lists(st.none() | st.binary(max_size=30), max_size=60))
def test_it_is_a_queue_bounded_in_bytes(limit: int, steps: list[bytes | None]) -> None:
    """`None` takes a frame out, bytes put one in: against a plain list."""

    async def work() -> None:
        buffer, plain, dropped = Buffer(limit), list[bytes](), 0
        for step in steps:
            if step is None:
                if plain:
                    assert await buffer.get() == plain.pop(0)
            elif not plain or sum(map(len, plain)) + len(step) <= limit:
                assert buffer.put(step)
                plain.append(step)
            else:
                assert not buffer.put(step)
                dropped += 1
            assert (buffer.bytes, len(buffer), buffer.dropped) == (sum(map(len, plain)), len(plain), dropped)

    within_time(work())
