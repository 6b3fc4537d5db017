"""A process that wants the lease, as ingest does: `python -m tests.redis_functions.lease_holder URL OWNER TTL_S`.

It prints its token once it has the lease, "lost" when it lost it, and gives the lease back on SIGTERM.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import sys

from redis_functions.server.connection import connect_async
from redis_functions.write.lease import Lease


async def main(url: str, owner: str, ttl_s: float) -> None:
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with connect_async(url) as client:
        lease = Lease(client, "stocks", owner, ttl_s, ttl_s * 0.3)
        life = asyncio.create_task(live(lease))
        await stop.wait()
        life.cancel()
        await lease.release()


async def live(lease: Lease) -> None:
    while True:
        print(await lease.wait(), flush=True)
        await lease.hold(lambda: print("lost", flush=True))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    asyncio.run(main(sys.argv[1], sys.argv[2], float(sys.argv[3])))
