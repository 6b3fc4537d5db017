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
from typing import Any, NamedTuple

from redis.exceptions import ResponseError

from market.bar import Bar
from redis_functions.availability import Availability
from redis_functions.contract import keys
from redis_functions.contract.codec import Creation, Packed, pack
from redis_functions.contract.resp import encode
from redis_functions.contract.schema import Schema
from redis_functions.errors import Kind, kind_of, may_pass
from redis_functions.write.wire import Wire, WireLost

log = logging.getLogger("tapewatch.store")

#: Bars in one batch at most, batches under way at most, and bars that may wait before `has_capacity` makes the caller wait.
BATCH, WINDOW, WAITING = 500, 4, 20_000
#: A key of the wrong type answers like a missing one: after so many tries to create it, it is taken for that.
CREATE_TRIES = 3
RETRY_S = (0.05, 0.1, 0.2, 0.5, 1.0)
HOLD_CHECK_S = 0.02


#: In place of a batch of which nothing is left.
_NOTHING = Packed(encode(("PING",)), 1, 1)


class _Put(NamedTuple):
    """Bars of one `put`, at most a batch of them. They stay one item, so that a single bar has no overhead of its own."""

    bars: Sequence[Bar]
    newest: Sequence[bool]


@dataclass(slots=True)
class _Batch:
    bars: list[Bar] = field(default_factory=list)
    newest: list[bool] = field(default_factory=list)
    commands: list[Packed] = field(default_factory=list)  # before the bars
    created: list[str] = field(default_factory=list)  # symbols whose series its commands make
    items: int = 0  # taken from the queue

    @property
    def before(self) -> int:
        return sum(packed.commands for packed in self.commands)


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
    """Takes bars without waiting (`put`) and writes them in order; callers that can wait await `has_capacity`."""

    def __init__(self, url: str, schema: Schema, availability: Availability | None = None) -> None:
        """`availability` is where the writer reports whether Redis serves it."""
        self._availability = availability or Availability()
        self.counts = WriterCounts()
        self.known: set[str] = set()
        self._had: set[str] = set()  # symbols whose series are there for sure
        self._url = url
        self._creation = Creation(schema)
        self._queue: deque[_Put | Packed] = deque()
        self._queued = 0  # bars and commands in it
        self._pending: deque[_Batch] = deque()  # taken from the queue, not yet acknowledged
        self._wake = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self.connected = False
        self._held = False
        # Items put and acknowledged so far; marks and waiters are identified by the number put before them.
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
        """Queues bars; where `newest[i]` is true bar i is its symbol's newest, so `latest:` takes it. Raises ValueError if
        the lengths differ."""
        if len(bars) != len(newest):
            raise ValueError(f"{len(bars)} bars but {len(newest)} flags `newest`: expected one for each bar")
        for begin in range(0, len(bars), BATCH):
            self._queue.append(_Put(bars[begin : begin + BATCH], newest[begin : begin + BATCH]))
        self._more(len(bars))
        self._puts.append((self._put, perf_counter()))

    def put_command(self, *words: str | int) -> None:
        """Queues one more idempotent command in order with the bars."""
        self._queue.append(Packed(encode(words), 1, 0))
        self._more(1)

    def put_mark(self, number: int) -> bool:
        """`acknowledged` becomes `number` when all that was put so far is in Redis; False where it is by now."""
        if self._done == self._put:
            self.acknowledged = number
            return False
        self._marks.append((self._put, number))
        return True

    def _finish(self, batch: _Batch) -> None:
        """Redis has the batch: advances marks and wakes waiters that it completes."""
        self._availability.served("the writer")
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

    def _more(self, items: int) -> None:
        self._put += items
        self._queued += items
        self._wake.set()
        if self._queued > WAITING:
            self._room.clear()

    async def has_capacity(self) -> None:
        """Waits until the queue is short enough again."""
        await self._room.wait()

    async def hold(self) -> None:
        """Sends nothing more until `release`, and returns when Redis has acknowledged what was sent: bars wait in the queue.

        A caller that is cancelled meanwhile calls `release` too.
        """
        self._held = True
        while self._pending and self._held:
            await asyncio.sleep(HOLD_CHECK_S)

    def release(self) -> None:
        """Sends again, what waited first."""
        self._held = False
        self._wake.set()

    async def flushed(self) -> None:
        """Waits until all that was put before this call is acknowledged by Redis."""
        if self._done < self._put:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((self._put, waiter))
            await waiter

    @property
    def waiting(self) -> int:
        """Bars and commands that Redis has not acknowledged yet."""
        return self._put - self._done

    async def run(self) -> None:
        """Writes until cancelled; a Redis that is unreachable, full or no primary is waited for, nothing is dropped here.

        Raises StoreEmptied and BadRedisUrl.
        """
        tries = 0
        while True:
            done = self._done
            try:
                wire = await Wire.open(self._url, self._wake)
            except (OSError, TimeoutError) as error:
                self._availability.failed("the writer", error)
            else:
                self.connected = True
                if not self.waiting:
                    self._availability.served("the writer")
                try:
                    await self._write(wire)
                except WireLost as error:
                    self._availability.failed("the writer", error)
                finally:
                    self.connected = False
                    wire.close()
                if self._done > done:
                    tries = 0  # it served for a while
            await asyncio.sleep(RETRY_S[min(tries, len(RETRY_S) - 1)])
            tries += 1

    async def _write(self, wire: Wire) -> None:
        # What a lost connection left unacknowledged goes first, one batch at a time.
        for batch in list(self._pending):
            self.counts.resent += len(batch.bars)
            await self._settle(wire, batch, await wire.send(*_packed(batch)))
            self._finish(self._pending.popleft())
        flying: deque[asyncio.Future[list[Any]]] = deque()
        while True:
            sends = bool(self._queue) and not self._held
            if not sends and not flying:
                self._wake.clear()
                if not wire.is_open:
                    raise WireLost("the connection ended while nothing was to be written")
                await self._wake.wait()
                continue
            if sends and len(flying) < WINDOW:
                batch = self._take()
                self._pending.append(batch)
                flying.append(wire.send(*_packed(batch)))
                await wire.drain()
                if self._queue and not self._held and len(flying) < WINDOW:
                    continue
            replies = await flying[0]
            flying.popleft()
            if _errors_in(replies):
                # Nothing overtakes: all under way is awaited, then settled in the order it was sent. What was sent after a
                # batch that had to be sent again is sent again too, or its corrections would be undone.
                rest = [replies] + [await f for f in flying]
                flying.clear()
                again = False
                for answered in rest:
                    batch = self._pending[0]
                    if again:
                        self.counts.resent += len(batch.bars)
                        answered = await wire.send(*_packed(batch))
                    again = await self._settle(wire, batch, answered) or again
                    self._finish(self._pending.popleft())
            else:
                self.counts.stored += len(self._pending[0].bars)
                self._finish(self._pending.popleft())

    def _take(self) -> _Batch:
        batch = _Batch()
        queue = self._queue
        while queue:
            item = queue[0]
            if isinstance(item, Packed):
                if batch.bars:
                    break  # a command goes before the bars of its batch
                batch.commands.append(item)
                batch.items += item.commands
            else:
                if batch.bars and len(batch.bars) + len(item.bars) > BATCH:
                    break
                batch.bars += item.bars
                batch.newest += item.newest
                batch.items += len(item.bars)
            queue.popleft()
        for symbol in sorted({bar.sym for bar in batch.bars} - self.known):
            self._create(batch, symbol)
        self._queued -= batch.items
        if self._queued <= WAITING // 2:
            self._room.set()
        self.counts.batches += 1
        return batch

    def _create(self, batch: _Batch, symbol: str) -> None:
        batch.commands.append(self._creation.pack(symbol))
        batch.created.append(symbol)
        self.known.add(symbol)
        self.counts.created += 1

    async def _settle(self, wire: Wire, batch: _Batch, replies: list[Any]) -> bool:
        """Acts on a batch's errors until every bar is stored or rightly refused; whether it had to be sent again."""
        attempt = creations = 0
        while True:
            if demoted := next((e for e in _errors_in(replies) if kind_of(e) is Kind.NOT_PRIMARY), None):
                raise WireLost(f"this Redis is no primary (any more): {demoted}")
            missing, refused, busy = self._sorted_out(batch, replies)
            if missing and creations >= CREATE_TRIES:
                log.error("these keys hold something else than time series, their bars are dropped: %s", missing[:5])
                refused, missing = refused + len(missing), []
            if not missing and not busy:
                self.counts.refused += refused
                self.counts.stored += len(batch.bars) - refused
                return attempt > 0
            if busy:
                self._availability.failed("the writer", ResponseError(busy))
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
            replies = await wire.send(*_packed(batch))

    async def _expect_new(self, wire: Wire, symbols: list[str]) -> None:
        """Raises StoreEmptied when the series of a symbol that had them are gone. (A key of another type is still there.)"""
        lost = [symbol for symbol in symbols if symbol in self._had]
        if lost:
            probe = keys.series(lost[0], "1s", "close")
            (there,) = await wire.send(encode(("EXISTS", probe)), 1)
            if there == 0:
                raise StoreEmptied(f"the series of {lost[0]} are gone")

    def _sorted_out(self, batch: _Batch, replies: list[Any]) -> tuple[list[str], int, str]:
        """(symbols without series, bars refused as too old, the text of an error that may pass)."""
        missing: dict[str, None] = {}
        refused, busy = 0, ""
        made = batch.before
        for position, reply in enumerate(replies):
            errors = _errors_in([reply])
            is_bar = made <= position < made + len(batch.bars)
            for error in errors:
                kind = kind_of(error)
                if is_bar and kind is Kind.NO_SERIES:
                    missing[batch.bars[position - made].sym] = None
                elif is_bar and kind in (Kind.TOO_OLD, Kind.OTHER):
                    refused += 1
                    log.debug("refused %s: %s", batch.bars[position - made], error)
                    break
                elif is_bar or may_pass(error):
                    busy = busy or str(error)
                elif kind not in (Kind.EXISTS, Kind.NO_SERIES):
                    log.warning("Redis refuses a command beside the bars: %s", error)
        return list(missing), refused, busy


def _packed(batch: _Batch) -> Packed:
    """The batch on the wire: its commands, then its bars."""
    if not batch.commands:
        return pack(batch.bars, batch.newest) if batch.bars else _NOTHING
    parts = [*batch.commands, *([pack(batch.bars, batch.newest)] if batch.bars else [])]
    return Packed(b"".join(packed.payload for packed in parts), sum(packed.commands for packed in parts), 0)


def _errors_in(replies: list[Any]) -> list[Exception]:
    """The errors among the replies and in their lists."""
    found = []
    for reply in replies:
        if isinstance(reply, Exception):
            found.append(reply)
        elif reply.__class__ is list:
            found += [item for item in reply if isinstance(item, Exception)]
    return found
