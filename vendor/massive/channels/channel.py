"""What a channel of the vendor is to the decoder, and how one value of an event is read in any of its spellings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

from market.limits import MAX_TIME
from market.symbols import is_symbol
from vendor.interface import Decoded


class Unusable(Exception):
    """One event cannot be used; the text is the reason it is counted under."""


class ReadOne(Protocol):
    """An event in any spelling of its values to the channel's struct. Raises Unusable."""

    def __call__(self, event: dict[str, Any], /) -> Any: ...


class TakeOne(Protocol):
    """One struct to a record in `out`. Raises Unusable."""

    def __call__(self, event: Any, out: Decoded, /) -> None: ...


class TakeMany(Protocol):
    """All structs of a frame to records in `out` at once; False, and nothing done, where one of them is not ordinary."""

    def __call__(self, events: Sequence[Any], out: Decoded, /) -> bool: ...


class Channel(NamedTuple):
    """One value of the wire's `ev`, and the fields of its symbol and its time.

    `data`: whether its events are market data, so that one that is unusable is missed; `topic`: whether it is subscribed by a
    topic.
    """

    name: str
    struct: type
    read: ReadOne
    take: TakeOne
    take_many: TakeMany | None = None
    symbol: str = "sym"
    time: str = "t"
    data: bool = True
    topic: bool = True


# --- values


def epoch_ms(stamp: int) -> int:
    """A timestamp in ms, whichever of ms, µs or ns it came in: its size shows the unit."""
    if stamp < MAX_TIME:
        return stamp
    if stamp < 100_000_000_000_000_000:
        return stamp // 1_000
    return stamp // 1_000_000


def check_symbol(text: str) -> None:
    """Raises Unusable unless `text` is a well-formed symbol."""
    """Raises Unusable unless `text` is a well-formed symbol."""
    if not is_symbol(text):
        raise Unusable("bad_symbol")


def number(event: dict[str, Any], name: str, default: float | None = None) -> float:
    """The finite number under `name`, also one written as text. Raises Unusable, without `default` also where it is missing."""
    value = event.get(name)
    if value is None or value == "":
        if default is None:
            raise Unusable("missing_field")
        return default
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise Unusable("bad_number")
    try:
        found = float(value)
    except (ValueError, OverflowError):
        raise Unusable("bad_number") from None
    if not math.isfinite(found):
        raise Unusable("bad_number")
    return found


def whole(event: dict[str, Any], name: str, default: int | None = None) -> int:
    value = event.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return int(number(event, name, default))


def whole_or_none(event: dict[str, Any], name: str) -> int | None:
    return None if event.get(name) is None else whole(event, name)


def wholes(event: dict[str, Any], name: str) -> tuple[int, ...]:
    value = event.get(name)
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(whole({"item": item}, "item") for item in items)


def text(event: dict[str, Any], name: str) -> str:
    """The text under `name`. Raises Unusable where it is missing or no text."""
    """The text under `name`. Raises Unusable where it is missing or no text."""
    value = event.get(name)
    if not isinstance(value, str):
        raise Unusable("missing_field" if value is None else "bad_symbol")
    return value


def optional(event: dict[str, Any], name: str) -> float | None:
    """The number under `name`, None where there is none that can be read."""
    try:
        return number(event, name)
    except Unusable:
        return None


def decimal(event: dict[str, Any], name: str) -> str | None:
    """A number that the vendor writes as decimal text, in that form; None where it cannot be read."""
    value = optional(event, name)
    return None if value is None else repr(value)
