"""The hot write path: bars into the 1s series, the newest bar of each symbol, and the channels, in pipelined batches.

Batches form by draining what waits. Everything sent is an upsert, so a batch whose fate is unknown is simply sent again;
batches are never reordered, so a correction never loses against the bar it corrects.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from market.bar import Bar
from redis_functions import keys
from redis_functions.codec import bar_json, madd
from redis_functions.schema import Schema, create_commands, is_repeat
from redis_functions.wire import Wire, WireLost, encode

log = logging.getLogger("tapewatch.store")

#: Bars in one batch at most, batches under way at most, and bars that may wait before `room` makes the caller wait.
BATCH, WINDOW, WAITING = 500, 4, 20_000
#: A key of the wrong type answers like a missing one: after so many tries to create it, it is taken for that.
CREATE_TRIES = 3
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)


#: How errors begin that may pass: Redis is full, loads its data, is not the master for a while.
_PASSING = ("OOM", "LOADING", "MISCONF", "READONLY", "MASTERDOWN", "CLUSTERDOWN", "BUSY", "TRYAGAIN")


@dataclass(slots=True)
class _Batch:
    bars: list[Bar]
    newest: list[bool]
    commands: list[tuple[str | int, ...]] = field(default_factory=list)
    created: list[str] = field(default_factory=list)  # symbols whose series its commands make
    items: int = 0  # taken from the queue


class StoreEmptied(Exception):
    """Redis lost series that it had: it was emptied, or came back without its data."""


@dataclass
class WriterCounts:
    """What became of the bars, since the start."""

    stored: int = 0
    refused: int = 0  # by Redis, as older than its retention
    batches: int = 0
    resent: int = 0
    created: int = 0  # symbols


class Writer:
    """Takes bars without waiting (`put`) and writes them in order; `room` is awaited by callers that can wait."""

    def __init__(self, url: str, schema: Schema) -> None:
        self.counts = WriterCounts()
        self.known: set[str] = set()
        self._had: set[str] = set()  # symbols whose series are there for sure
        self._url = url
        self._schema = schema
        self._queue: deque[tuple[Bar, bool] | tuple[str | int, ...]] = deque()
        self._pending: deque[_Batch] = deque()  # taken from the queue, not yet acknowledged
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.connected = False
        # Items put and acknowledged so far; marks and waiters are told by the number put before them.
        self._put = self._done = 0
        self._marks: deque[tuple[int, int]] = deque()
        self._waiters: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._puts: deque[tuple[int, float]] = deque()  # the end and the time of each `put` on its way
        #: The last mark of which all that was put before is in Redis.
        self.acknowledged = 0
        #: Called with the seconds that the bars of a `put` took until Redis acknowledged them.
        self.on_stored: Callable[[float], None] = lambda seconds: None

    def restore(self, symbols: Sequence[str]) -> None:
        """The store has the series of these symbols."""
        self.known.update(symbols)
        self._had.update(symbols)

    def put(self, bars: Sequence[Bar], newest: Sequence[bool]) -> None:
        """Queues bars; `newest[i]` says that bar i is its symbol's newest, so `latest:` takes it."""
        self._queue.extend(zip(bars, newest, strict=True))
        self._put += len(bars)
        self._puts.append((self._put, perf_counter()))
        self._woken()

    def put_command(self, *words: str | int) -> None:
        """Queues one more idempotent command in order with the bars."""
        self._queue.append(words)
        self._put += 1
        self._woken()

    def put_mark(self, number: int) -> bool:
        """`acknowledged` becomes `number` when all that was put so far is in Redis; False where it is by now."""
        if self._done == self._put:
            self.acknowledged = number
            return False
        self._marks.append((self._put, number))
        return True

    def _finish(self, batch: _Batch) -> None:
        """Redis has the batch: marks and waiters that it completes are told."""
        self._done += batch.items
        self._had.update(batch.created)
        while self._marks and self._marks[0][0] <= self._done:
            self.acknowledged = self._marks.popleft()[1]
        now = perf_counter()
        while self._puts and self._puts[0][0] <= self._done:
            self.on_stored(now - self._puts.popleft()[1])
        while self._waiters and self._waiters[0][0] <= self._done:
            _, waiter = self._waiters.popleft()
            if not waiter.done():
                waiter.set_result(None)

    def _woken(self) -> None:
        self._wake.set()
        if len(self._queue) > WAITING:
            self._room.clear()

    async def room(self) -> None:
        """Waits until the queue is short enough again."""
        await self._room.wait()

    async def flushed(self) -> None:
        """Waits until all that was put before this call is acknowledged by Redis."""
        if self._done < self._put:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._put, waiter))
            await waiter

    @property
    def waiting(self) -> int:
        """Bars and commands that Redis has not acknowledged yet."""
        return len(self._queue) + sum(len(b.bars) + len(b.commands) for b in self._pending)

    async def run(self) -> None:
        """Writes until cancelled; a lost or full Redis is waited for, nothing is dropped here."""
        tries = 0
        while True:
            try:
                wire = await Wire.open(self._url)
            except (OSError, TimeoutError) as error:
                if tries == 0:
                    log.warning("Redis is not there, the bars wait: %s", error)
                await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
                tries += 1
                continue
            if tries:
                log.info("Redis is there again; %d bars waited", self.waiting)
            tries, self.connected = 0, True
            try:
                await self._write(wire)
            except WireLost as error:
                log.warning("connection to Redis lost: %s", error)
                tries = 1
            finally:
                self.connected = False
                wire.close()

    async def _write(self, wire: Wire) -> None:
        # What a lost connection left unacknowledged goes first, one batch at a time.
        for batch in list(self._pending):
            self.counts.resent += len(batch.bars)
            await self._settle(wire, batch, await wire.send(*self._encode(batch)))
            self._finish(self._pending.popleft())
        flying: deque[asyncio.Future[list[Any]]] = deque()
        while True:
            if not self._queue and not flying:
                self._wake.clear()
                await self._wake.wait()
            if self._queue and len(flying) < WINDOW:
                batch = self._take()
                self._pending.append(batch)
                flying.append(wire.send(*self._encode(batch)))
                await wire.drain()
                if self._queue and len(flying) < WINDOW:
                    continue
            replies = await flying[0]
            flying.popleft()
            if self._failed(replies):
                # Nothing overtakes: all under way is awaited, then mended in the order it was sent. What was sent after a
                # batch that had to be sent again is sent again too, or its corrections would be undone.
                rest = [replies] + [await f for f in flying]
                flying.clear()
                again = False
                for answered in rest:
                    batch = self._pending[0]
                    if again:
                        self.counts.resent += len(batch.bars)
                        answered = await wire.send(*self._encode(batch))
                    again = await self._settle(wire, batch, answered) or again
                    self._finish(self._pending.popleft())
            else:
                self.counts.stored += len(self._pending[0].bars)
                self._finish(self._pending.popleft())

    def _take(self) -> _Batch:
        batch = _Batch([], [])
        queue = self._queue
        while queue and len(batch.bars) < BATCH:
            item = queue[0]
            if isinstance(item[0], Bar):
                bar, newest = item
                if bar.sym not in self.known:
                    self._create(batch, bar.sym)
                batch.bars.append(bar)
                batch.newest.append(bool(newest))
            elif batch.bars:
                break  # a command goes before the bars of its batch
            else:
                batch.commands.append(item)
            queue.popleft()
            batch.items += 1
        if len(queue) <= WAITING // 2:
            self._room.set()
        self.counts.batches += 1
        return batch

    def _create(self, batch: _Batch, symbol: str) -> None:
        batch.commands += create_commands(symbol, self._schema)
        batch.commands.append(("SADD", keys.SYMBOLS, symbol))
        batch.created.append(symbol)
        self.known.add(symbol)
        self.counts.created += 1

    def _encode(self, batch: _Batch) -> tuple[bytes, int]:
        """The batch on the wire: commands, one TS.MADD a bar, `latest:` of newest bars, a PUBLISH a bar, one for all."""
        parts = [encode(command) for command in batch.commands]
        if not batch.bars:
            return b"".join(parts), len(parts)
        texts = [bar_json(bar) for bar in batch.bars]
        parts.append("".join(map(madd, batch.bars)).encode())
        latest = {bar.sym: text for bar, text, newest in zip(batch.bars, texts, batch.newest, strict=True) if newest}
        for symbol, text in latest.items():
            parts.append(_with_payload("SET", keys.latest(symbol), text))
        for bar, text in zip(batch.bars, texts, strict=True):
            parts.append(_with_payload("PUBLISH", keys.channel_bars(bar.sym), text))
        parts.append(_with_payload("PUBLISH", keys.CHANNEL_BARS, b"[" + b",".join(texts) + b"]"))
        return b"".join(parts), len(batch.commands) + 2 * len(batch.bars) + len(latest) + 1

    @staticmethod
    def _failed(replies: list[Any]) -> bool:
        return any(
            isinstance(r, Exception) or (r.__class__ is list and any(isinstance(x, Exception) for x in r))
            for r in replies
        )

    async def _settle(self, wire: Wire, batch: _Batch, replies: list[Any]) -> bool:
        """Acts on a batch's errors until every bar is stored or rightly refused; whether it had to be sent again."""
        attempt = creations = 0
        while True:
            missing, refused, busy = self._errors(batch, replies)
            if missing and creations >= CREATE_TRIES:
                log.error("these keys hold something else than time series, their bars are dropped: %s", missing[:5])
                refused, missing = refused + len(missing), []
            if not missing and not busy:
                self.counts.refused += refused
                self.counts.stored += len(batch.bars) - refused
                return attempt > 0
            if busy:
                if attempt % 20 == 0:
                    log.warning("Redis cannot take bars now, they wait: %s", busy)
                await asyncio.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
            else:
                batch.commands = []  # all of them were done, or never will be
                creations += 1
            if missing and creations == 1:
                await self._expect_new(wire, missing)
            for symbol in missing:
                self._create(batch, symbol)
            self.counts.resent += len(batch.bars)
            attempt += 1
            replies = await wire.send(*self._encode(batch))

    async def _expect_new(self, wire: Wire, symbols: list[str]) -> None:
        """Raises StoreEmptied when the series of a symbol that had them are gone. (A key of another type is still there.)"""
        lost = [symbol for symbol in symbols if symbol in self._had]
        if lost:
            probe = keys.series(lost[0], "1s", "close")
            (there,) = await wire.send(encode(("EXISTS", probe)), 1)
            if there == 0:
                raise StoreEmptied(f"the series of {lost[0]} are gone")

    def _errors(self, batch: _Batch, replies: list[Any]) -> tuple[list[str], int, str]:
        """(symbols without series, bars refused as too old, the text of an error that may pass)."""
        missing: dict[str, None] = {}
        refused, busy = 0, ""
        made = len(batch.commands)
        for position, reply in enumerate(replies):
            errors = [reply] if isinstance(reply, Exception) else []
            if reply.__class__ is list:
                errors = [x for x in reply if isinstance(x, Exception)]
            is_bar = made <= position < made + len(batch.bars)
            for text in map(str, errors):
                if is_bar and "not a TSDB key" in text:
                    missing[batch.bars[position - made].sym] = None
                elif is_bar and "TSDB:" in text:
                    refused += 1
                    log.debug("refused %s: %s", batch.bars[position - made], text)
                    break
                elif is_bar or text.startswith(_PASSING):
                    busy = busy or text
                elif not is_repeat(text) and "TSDB: the key does not exist" not in text:
                    log.warning("Redis refuses a command beside the bars: %s", text)
        return list(missing), refused, busy


def _with_payload(command: str, key: str, payload: bytes) -> bytes:
    name = key.encode()
    return b"*3\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n$%d\r\n%s\r\n" % (
        len(command), command.encode(), len(name), name, len(payload), payload,
    )  # fmt: skip
