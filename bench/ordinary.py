"""The ordinary design, for comparison: the vendor's client with its objects, one redis.asyncio pipeline, six TS.ADD a bar.

Run as `python -m bench.ordinary PORT REDIS_URL`; stays until it is ended.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from typing import Any

from massive.websocket import WebSocketClient
from redis._parsers import _AsyncRESP2Parser
from redis.asyncio import ConnectionPool, Redis
from redis.asyncio.client import Pipeline

from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS

FLUSH_EVENTS, FLUSH_S = 100, 0.1


def _client(url: str) -> Redis:
    """redis-py with its own parser, as it is where hiredis is not installed."""
    return Redis(connection_pool=ConnectionPool.from_url(url, protocol=2, parser_class=_AsyncRESP2Parser))


class Ordinary:
    """Adds each event to the pipeline; flushes it when it is full or old."""

    def __init__(self, client: Redis) -> None:
        self._client = client
        self._pipe: Pipeline = client.pipeline(transaction=False)
        self._events = 0
        self._one_at_a_time = asyncio.Lock()

    async def take(self, messages: list[Any]) -> None:
        for bar in messages:
            values = (bar.open, bar.high, bar.low, bar.close, bar.volume, bar.vwap * bar.volume)
            for field, value in zip(FIELDS, values, strict=True):
                self._pipe.execute_command("TS.ADD", keys.series(bar.symbol, "1s", field), bar.start_timestamp, value)
            self._pipe.hset(
                keys.latest(bar.symbol),
                mapping=dict(zip(FIELDS, values, strict=True)) | {"t": bar.start_timestamp},
            )
            self._pipe.publish(keys.channel_bars(bar.symbol), repr(bar.close))
            self._events += 1
            if self._events >= FLUSH_EVENTS:
                await self.flush()

    async def flush(self) -> None:
        """Sends what has gathered; raises on any error reply."""
        async with self._one_at_a_time:
            full, self._pipe = self._pipe, self._client.pipeline(transaction=False)
            self._events = 0
            await full.execute()

    async def flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()


async def main(port: str, url: str) -> None:
    """Reads the feed at a port of this machine until the process is ended."""
    logging.disable(logging.WARNING)
    async with _client(url) as redis:
        ordinary = Ordinary(redis)
        client = WebSocketClient("any-key", feed=f"127.0.0.1:{port}", secure=False, subscriptions=["A.*"])
        await asyncio.gather(client.connect(ordinary.take, compression=None), ordinary.flush_regularly())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
