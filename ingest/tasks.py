"""Ending tasks reliably."""

from __future__ import annotations

import asyncio
from typing import Any

#: What a task does when it is cancelled, such as closing a connection with a close frame, gets so long before the next time.
AGAIN_S = 2.0


async def ended(*tasks: asyncio.Task[Any] | None, again_s: float = AGAIN_S) -> None:
    """Cancels the tasks until each has ended, whatever it ended with.

    Once is not enough: under Python 3.11 asyncio.wait_for, in which redis-py sends, swallows a cancellation that arrives
    just when what it waits for is done, and a task that goes round in a loop would go on for ever.
    """
    pending = {task for task in tasks if task is not None}
    while pending := {task for task in pending if not task.done()}:
        for task in pending:
            task.cancel()
        await asyncio.wait(pending, timeout=again_s)
    await asyncio.gather(*(task for task in tasks if task is not None), return_exceptions=True)
