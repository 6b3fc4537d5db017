"""A daemon like ours on PostgreSQL, for comparison: msgspec, asyncpg, one statement a batch that upserts the bars and keeps
the live candles.

Run as `python -m bench.postgres_client PORT SOCKET_FOLDER EVENTS TIMEFRAME,...`; stays until it is ended. Of what was tried
with 100 bars a batch, one prepared statement over arrays (44,000 bars/s) is faster than COPY into a staging table and the same
statements from there (27,000): one round trip in place of three.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

import asyncpg
import msgspec
from websockets.asyncio.client import connect

FLUSH_S = 0.1
#: Live candles and their spans in ms; the tables are `bars` and `bars_<name>`.
SPANS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}

_FIELDS = ("sym", "t", "o", "h", "l", "c", "v", "n")
_COLUMNS = f"sym text, {', '.join(f'{name} bigint' for name in _FIELDS[1:])}, PRIMARY KEY (sym, t)"


class Event(msgspec.Struct, gc=False):
    """The content of an `A` event; unlike our own decoder, nothing of it is checked."""

    ev: str
    sym: str = ""
    s: int = 0
    o: float = 0.0
    h: float = 0.0
    l: float = 0.0  # noqa: E741
    c: float = 0.0
    v: int = 0
    vw: float = 0.0


def tables(timeframes: Sequence[str]) -> str:
    """The statements that make the tables."""
    return "".join(f"CREATE TABLE {name} ({_COLUMNS});" for name in ("bars", *map(_table, timeframes)))


def statement(timeframes: Sequence[str]) -> str:
    """One statement for a batch, given as one array a column. A bar that is sent again is replaced, but counts twice in a
    candle's volume, which our rules get right."""
    types = ["text[]", *["bigint[]"] * 7]
    arrays = ", ".join(f"${i}::{kind}" for i, kind in enumerate(types, 1))
    replaced = ", ".join(f"{name} = excluded.{name}" for name in _FIELDS[2:])
    steps = [
        f"INSERT INTO bars SELECT * FROM batch ON CONFLICT (sym, t) DO UPDATE SET {replaced}",
        *(_roll_up(_table(name), SPANS[name]) for name in timeframes),
    ]
    with_steps = "".join(f", step{i} AS ({step})" for i, step in enumerate(steps[:-1]))
    return f"WITH batch AS MATERIALIZED (SELECT * FROM unnest({arrays}) AS batch ({', '.join(_FIELDS)})){with_steps} {steps[-1]}"


def _table(timeframe: str) -> str:
    return f"bars_{timeframe}"


def _roll_up(table: str, span_ms: int) -> str:
    return (
        f"INSERT INTO {table} AS k SELECT sym, t / {span_ms} * {span_ms}, (array_agg(o ORDER BY t))[1], max(h), min(l), "
        "(array_agg(c ORDER BY t DESC))[1], sum(v), sum(n) FROM batch GROUP BY 1, 2 ON CONFLICT (sym, t) DO UPDATE SET "
        "h = greatest(k.h, excluded.h), l = least(k.l, excluded.l), c = excluded.c, v = k.v + excluded.v, n = k.n + excluded.n"
    )


class Client:
    """Gathers events; while one batch is written the next is decoded."""

    def __init__(self, connection: asyncpg.Connection, sql: str, events: int) -> None:
        self._connection = connection
        self._sql = sql
        self._events = events
        self._bars: list[Event] = []
        self._writing: asyncio.Task[None] | None = None
        self._one_at_a_time = asyncio.Lock()

    async def read(self, port: str) -> None:
        """Reads the feed at a port of this machine until it ends."""
        decode = msgspec.json.Decoder(list[Event]).decode
        async with connect(f"ws://127.0.0.1:{port}/stocks", compression=None, max_size=None) as feed:
            await feed.send('{"action":"auth","params":"any-key"}')
            await feed.send('{"action":"subscribe","params":"A.*"}')
            while True:
                frame = await feed.recv(decode=False)
                self._bars += [event for event in decode(frame) if event.ev == "A"]
                while len(self._bars) >= self._events:
                    await self.flush()

    async def flush(self) -> None:
        """Writes what has gathered, up to a batch, as soon as the batch before is written; raises what went wrong with that."""
        async with self._one_at_a_time:
            if self._writing is not None:
                await self._writing
            batch, self._bars = self._bars[: self._events], self._bars[self._events :]
            self._writing = asyncio.create_task(self._write(batch)) if batch else None

    async def _write(self, batch: Sequence[Event]) -> None:
        columns = (
            [bar.sym for bar in batch],
            [bar.s for bar in batch],
            [round(bar.o * 10_000) for bar in batch],
            [round(bar.h * 10_000) for bar in batch],
            [round(bar.l * 10_000) for bar in batch],
            [round(bar.c * 10_000) for bar in batch],
            [bar.v for bar in batch],
            [round(bar.vw * bar.v * 10_000) for bar in batch],
        )
        # Prepared once: asyncpg keeps the statements that it has met.
        await self._connection.fetch(self._sql, *columns)

    async def flush_regularly(self) -> None:
        while True:
            await asyncio.sleep(FLUSH_S)
            await self.flush()


async def main(port: str, folder: str, events: str, timeframes: str) -> None:
    """Until the process is ended."""
    connection = await asyncpg.connect(
        host=folder, user="bench", database="postgres", server_settings={"synchronous_commit": "off"}
    )
    client = Client(connection, statement(timeframes.split(",")), int(events))
    await asyncio.gather(client.read(port), client.flush_regularly())


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
