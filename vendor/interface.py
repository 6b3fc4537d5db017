"""What a vendor of market data is to the rest of tapewatch: its feed, its decoder, its REST, and the records that come out.

A vendor is a folder beside this file with an object of the class `Vendor`, entered in `vendor.vendors`. Nothing outside its
folder spells a wire field, a host name or a path of its REST (the simulator does, as it speaks the vendor's protocol).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass
from datetime import date
from typing import NamedTuple, Protocol

from market.bar import Bar, Trade
from market.conditions import ConditionTable


class FeedRefused(Exception):
    """The feed cannot be used, and trying again will not help: a refused key, a plan without the feed, a bad topic."""


class RestRefused(Exception):
    """The vendor's REST will not answer this, now or later: the plan, the key or the path. The text is one short line."""


class RestUnavailable(Exception):
    """The vendor's REST gave no usable answer within the tries; later there may be one. The text is one short line."""


# --- what comes out of a frame


class Status(NamedTuple):
    """A status message of the server: `word` such as auth_success, and its text verbatim.

    `market` is what a server of ours names in its greeting; it is empty for the vendor's own.
    """

    word: str
    message: str
    market: str = ""


class Halt(NamedTuple):
    """Trading of a symbol stopped or goes on, at `t` (epoch ms)."""

    sym: str
    t: int
    halted: bool


class Lost(NamedTuple):
    """Market data that came and cannot be used: `sym` is empty and `t` (epoch ms) None where they cannot be read either."""

    sym: str
    t: int | None
    reason: str


#: So many losses of a frame are described one by one; all are counted.
MAX_LOST = 1_000


class Decoded:
    """What a frame held. `events` counts all, each of which is in exactly one of the others; what is no JSON counts as one.

    `set_aside` counts what was not used, by reason; `lost` describes those of it that carried market data, the first
    `MAX_LOST` of a frame; `bands` counts price bands without a halt.
    """

    __slots__ = ("bands", "bars", "events", "halts", "lost", "minutes", "set_aside", "statuses", "trades")

    def __init__(self) -> None:
        self.bars: list[Bar] = []
        self.minutes: list[Bar] = []
        self.trades: list[Trade] = []
        self.halts: list[Halt] = []
        self.statuses: list[Status] = []
        self.set_aside: Counter[str] = Counter()
        self.lost: list[Lost] = []
        self.bands = 0
        self.events = 0

    def lose(self, sym: str, t: int | None, reason: str) -> None:
        """Counts an event with market data that cannot be used."""
        self.set_aside[reason] += 1
        if len(self.lost) < MAX_LOST:
            self.lost.append(Lost(sym, t, reason))


class Decoder(Protocol):
    """From a frame's bytes to records; never raises for the content of a frame."""

    def __call__(self, frame: bytes, /) -> Decoded: ...


# --- the feed


class Subscription(NamedTuple):
    """Topics in the vendor's spelling, and which kinds of data they bring."""

    topics: tuple[str, ...]
    seconds: bool = True
    minutes: bool = False
    trades: bool = False

    @property
    def minutes_only(self) -> bool:
        """Whether bars come by the minute and nothing finer does."""
        return self.minutes and not (self.seconds or self.trades)


@dataclass(frozen=True)
class FeedConfig:
    """Where and what. `stall_after_s`: silence after which a connection that had data is given up.

    The key goes over an unencrypted connection only to this machine, unless `allow_plaintext_key` is set.
    """

    url: str
    key: str
    subscription: Subscription
    stall_after_s: float = 30.0
    allow_plaintext_key: bool = False


class Listener(Protocol):
    """Takes what the feed brings, in order. An exception that a method raises ends the feed's `run`."""

    async def greeted(self, market: str, /) -> None:
        """A server of this market answered, empty for the vendor's own; nothing is sent to it before this returns."""

    def frame(self, frame: bytes, /) -> None:
        """A frame with market data, as it was received."""

    def connected(self) -> None:
        """From here on frames of a new connection come."""

    def disconnected(self, reason: str, /) -> None:
        """No frames come until `connected`; called once for each `connected`."""


class Feed(Protocol):
    """Holds the one connection to the feed."""

    @property
    def is_connected(self) -> bool: ...
    @property
    def connections(self) -> int:
        """WebSocket connections since the start."""

    @property
    def clock_offset_s(self) -> float | None:
        """The feed's clock minus this machine's at the newest connection, to half a second; None where it is not known.

        Positive: this machine's clock is behind.
        """

    async def run(self) -> None:
        """Reads until cancelled. Raises FeedRefused, and what the listener raises."""


class Probe(NamedTuple):
    """What a feed answered when it was tried. `error` is empty where it greeted, and took the key if that was sent; `market`
    is what a server of ours names in its greeting."""

    error: str = ""
    clock_offset_s: float | None = None
    market: str = ""


# --- REST


@dataclass(frozen=True)
class RestConfig:
    """The base address without a trailing slash, the key, and how many requests a second may begin.

    The key goes over an unencrypted connection only to this machine, unless `allow_plaintext_key` is set.
    """

    base: str
    key: str
    per_second: float = 50.0
    allow_plaintext_key: bool = False


class AskedBars(NamedTuple):
    """Bars of one symbol, ascending; `unusable` counts invalid rows of times for which `bars` may therefore lack one."""

    bars: list[Bar]
    unusable: int = 0


class Rest(Protocol):
    """The vendor's REST. The counts are since the start: requests made, tries repeated, invalid rows that were skipped.

    Each method raises RestRefused and RestUnavailable, and no other error for what the vendor answers.
    """

    @property
    def requests(self) -> int: ...
    @property
    def retried(self) -> int: ...
    @property
    def set_aside(self) -> int: ...

    async def bars(self, symbol: str, span_ms: int, start: int, end: int) -> AskedBars:
        """The second or minute bars of `symbol` that start in `start`..`end` (epoch ms), not adjusted."""

    async def closes(self, day: date) -> dict[str, float]:
        """Each symbol's close on `day`, not adjusted; empty where the vendor has none."""

    async def split_ratios(self, after: date, until: date) -> dict[str, float]:
        """What a price before each split that took effect in (`after`, `until`] is multiplied by, of symbols with a split."""

    async def sale_conditions(self) -> ConditionTable | None:
        """The shipped table with the vendor's rows laid over it; None where the vendor has none."""

    async def close(self) -> None:
        """Ends the connections; what is under way is given up and raises RestUnavailable."""


# --- the vendor


class Vendor(Protocol):
    """All that is known of one vendor. Its own modules are loaded when a method needs them, not before."""

    @property
    def name(self) -> str: ...
    @property
    def live_feed(self) -> str:
        """The address of its real-time feed."""

    @property
    def live_rest(self) -> str: ...
    def serves(self, host: str) -> bool:
        """Whether `host` is one of its own, so that its REST goes with a feed there."""

    def subscription(self, text: str) -> Subscription:
        """The topics of a comma list, each once. Raises FeedRefused for one that tapewatch cannot use."""

    def decoder(self) -> Decoder: ...
    def keep(self, frame: bytes, symbols: Set[str]) -> bytes | None:
        """The frame with the events of these symbols only; None where there are none."""

    def sample_frame(self, bars: Iterable[Bar], /) -> bytes:
        """A frame with these second bars, by which the cost of decoding is measured."""

    def feed(self, config: FeedConfig, listener: Listener) -> Feed: ...
    def rest(self, config: RestConfig) -> Rest: ...
    def probe(self, url: str, key: str, timeout_s: float, allow_plaintext_key: bool = False) -> Probe:
        """Connects to a feed once; sends the key only if it is not empty."""
