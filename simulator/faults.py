"""Faults on demand: what a vendor does to its clients, at chosen seconds after the first subscription."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple, Protocol

import orjson
from websockets.exceptions import ConnectionClosed

from simulator.events import Event
from simulator.protocol import MAX_CONNECTIONS, Client, Feed, statuses

log = logging.getLogger("tapewatch.simulate")

#: Kind -> what its amount means (None: it takes none) and the amount when none is given.
KINDS: dict[str, tuple[str | None, float]] = {
    "drop": (None, 0),
    "close": (None, 0),
    "policy": (None, 0),
    "stall": ("seconds", 10),
    "flood": ("times the rate", 10),
    "garbage": ("frames", 20),
    "auth": ("seconds", 30),
    "limit": ("seconds", 30),
    "halt": ("seconds", 30),
    "mute": ("seconds", 30),
}
HELP = (
    "comma list of KIND@SECOND[:AMOUNT], seconds after the first subscription: drop (no close frame), close, policy "
    "(close 1008), stall:S (neither reads nor sends), flood:FACTOR (every event of 5 s so many times), garbage:N (frames), "
    "auth:S (refuses keys), limit:S (max_connections), halt:S (one symbol), mute:S (accepts and never answers)"
)
_FAULT = re.compile(r"([a-z]+)@([0-9.]+)(?::([0-9.]+))?\Z")
_MOST = 1e6
FLOOD_S = 5.0


class Fault(NamedTuple):
    """One fault: its kind, when (seconds after the first subscription), and how long, much or many."""

    kind: str
    at: float
    amount: float


def parse_faults(text: str) -> list[Fault]:
    """``drop@5,stall@20:12`` as faults in order of time. Raises ValueError with one clear line."""
    return sorted((_parse(word.strip()) for word in text.split(",") if word.strip()), key=lambda fault: fault.at)


def _parse(word: str) -> Fault:
    found = _FAULT.match(word)
    if not found:
        raise ValueError(f"fault {word!r} is not KIND@SECOND or KIND@SECOND:AMOUNT, such as drop@10 or stall@20:15")
    kind, at, amount = found.groups()
    if kind not in KINDS:
        raise ValueError(f"fault {word!r}: there is no {kind!r}; the kinds are {', '.join(KINDS)}")
    meaning, default = KINDS[kind]
    if amount is not None and meaning is None:
        raise ValueError(f"fault {word!r}: {kind} takes no amount")
    try:
        fault = Fault(kind, float(at), float(default if amount is None else amount))
    except ValueError:
        raise ValueError(f"fault {word!r}: {at if amount is None else amount} is not a number") from None
    if not (fault.at <= _MOST and fault.amount <= _MOST) or (meaning and fault.amount <= 0):
        raise ValueError(f"fault {word!r}: the second and the amount must lie between 0 and {_MOST:.0f}")
    if kind in ("flood", "garbage", "halt") and not fault.amount.is_integer():
        raise ValueError(f"fault {word!r}: {meaning} must be a whole number")
    return fault


class Stage(Protocol):
    """What the faults act on."""

    feed: Feed
    repeat: int
    newest: list[Event]

    def halt(self, seconds: int) -> str: ...


class Faults:
    """Plays the faults on a stage, each at its time."""

    def __init__(self, stage: Stage, faults: Sequence[Fault]) -> None:
        self.stage = stage
        self.faults = faults
        self._acts: dict[str, Callable[[float], Awaitable[None]]] = {
            "drop": self._drop, "close": self._close, "policy": self._policy, "stall": self._stall,
            "flood": self._flood,
            "garbage": self._garbage, "auth": self._auth, "limit": self._limit, "halt": self._halt, "mute": self._mute,
        }  # fmt: skip

    async def play(self) -> None:
        """All of them; faults that last do not hold up the next one."""
        await self.stage.feed.begun.wait()
        loop = asyncio.get_running_loop()
        begun = loop.time()
        async with asyncio.TaskGroup() as group:
            for fault in self.faults:
                await asyncio.sleep(max(0.0, begun + fault.at - loop.time()))
                meaning = KINDS[fault.kind][0]
                log.info("fault %s", fault.kind, extra={meaning.replace(" ", "_"): fault.amount} if meaning else {})
                group.create_task(self._one(fault))

    async def _one(self, fault: Fault) -> None:
        with contextlib.suppress(ConnectionClosed):
            await self._acts[fault.kind](fault.amount)

    @property
    def _clients(self) -> list[Client]:
        return list(self.stage.feed.clients)

    async def _each(self, act: Callable[[Client], Awaitable[None]]) -> None:
        """Acts on every connection once all that was queued for it is out, so that the truth file holds what was sent."""

        async def flush_and_act(client: Client) -> None:
            await client.flushed()
            with contextlib.suppress(ConnectionClosed):
                await act(client)

        await asyncio.gather(*(flush_and_act(client) for client in self._clients))

    async def _drop(self, _: float = 0) -> None:
        async def act(client: Client) -> None:
            client.abort()

        await self._each(act)

    async def _close(self, _: float) -> None:
        await self._each(lambda client: client.close(1000))

    async def _policy(self, _: float) -> None:
        await self._each(lambda client: client.close(1008))

    async def _stall(self, seconds: float) -> None:
        feed = self.stage.feed
        feed.stall_until = asyncio.get_running_loop().time() + seconds
        stalled = self._clients
        for client in stalled:
            client.connection.transport.pause_reading()
        await asyncio.sleep(seconds)
        for client in stalled:
            if not client.connection.transport.is_closing():
                client.connection.transport.resume_reading()

    async def _flood(self, factor: float) -> None:
        self.stage.repeat = int(factor)
        await asyncio.sleep(FLOOD_S)
        self.stage.repeat = 1

    async def _garbage(self, count: float) -> None:
        for number in range(int(count)):
            frame = garbage(number, self.stage.newest)
            for client in self.stage.feed.listeners:
                client.send(frame)

    async def _auth(self, seconds: float) -> None:
        self.stage.feed.refuse_until = asyncio.get_running_loop().time() + seconds
        await self._drop()

    async def _limit(self, seconds: float) -> None:
        self.stage.feed.limit_until = asyncio.get_running_loop().time() + seconds

        async def act(client: Client) -> None:
            client.send(statuses(MAX_CONNECTIONS))
            await client.flushed()
            await client.close(1008)

        await self._each(act)

    async def _halt(self, seconds: float) -> None:
        symbol = self.stage.halt(int(seconds))
        log.info("halted", extra={"symbol": symbol, "seconds": int(seconds)})

    async def _mute(self, seconds: float) -> None:
        self.stage.feed.mute_until = asyncio.get_running_loop().time() + seconds
        await self._drop()


def garbage(number: int, newest: Sequence[Event]) -> str | bytes:
    """The `number`-th kind of frame that must not stop a client. None of it is news: what can be used repeats an event
    that was sent before."""
    bar = dict(
        next((e.body for e in reversed(newest) if e.channel == "A"), {"ev": "A", "sym": "ODD", "s": 0, "e": 1000})
    )
    as_strings = {k: str(v) if isinstance(v, (int, float)) else v for k, v in bar.items()}
    without = {k: v for k, v in bar.items() if k not in ("s", "e", "c")}
    frames: list[str | bytes] = [
        "garbage{{{",
        '{"ev":"status"',
        "[]",
        "null",
        '"A"',
        "[1,null,[],\"A\"]",
        orjson.dumps(bar).decode(),
        orjson.dumps([{"ev": "ZZ", "sym": bar["sym"], "x": 1}]).decode(),
        orjson.dumps([{"sym": bar["sym"], "v": 1}]).decode(),
        orjson.dumps([without]).decode(),
        orjson.dumps([as_strings]).decode(),
        orjson.dumps([bar | {"sym": ""}, bar | {"sym": None}, bar | {"sym": "{B}*"}]).decode(),
        orjson.dumps([bar | {"o": "n/a"}, bar | {"h": -math.pi}, bar | {"s": "yesterday"}]).decode(),
        orjson.dumps([bar | {"s": 2**53, "e": 2**53 + 1000}, bar | {"s": -1, "e": 999}]).decode(),
        '[{"ev":"A","sym":"ODD","v":NaN,"o":Infinity}]',
        orjson.dumps([bar | {"newField": {"deep": [1, 2]}}]).decode(),
        b"\xff\xfe\x00garbage",
    ]  # fmt: skip
    return frames[number % len(frames)]
