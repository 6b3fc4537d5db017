"""Indicators by name: ``sma:20`` is read, checked and named here, so that a new one is one more entry of INDICATORS."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from indicators import moving

Values = npt.NDArray[np.float64]
#: The columns open high low close volume of candles.
Inputs = Mapping[str, Values]

MAX_WINDOW = 1_000
MAX_NAMES = 20
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}\Z")
#: What candles call their own columns.
_TAKEN = frozenset({"t", "o", "h", "l", "c", "v", "vw", "symbol"})


@dataclass(frozen=True)
class Argument:
    """A number of an indicator between `low` and `high`; `whole`: no fraction."""

    name: str
    low: float = 1
    high: float = MAX_WINDOW
    whole: bool = True


@dataclass(frozen=True)
class Indicator:
    """`compute(inputs, *arguments)` gives one column for each of `outputs`, the suffixes of the column's name.

    `lookback(*arguments)` is how many earlier candles make a value independent of where the series began. `price`: the
    outputs are in the unit of the inputs' prices, else they are plain numbers.
    """

    arguments: tuple[Argument, ...]
    compute: Callable[..., tuple[Values, ...]]
    lookback: Callable[..., int]
    outputs: tuple[str, ...] = ("",)
    price: bool = True


INDICATORS: dict[str, Indicator] = {
    "sma": Indicator((Argument("window"),), lambda x, n: (moving.sma(x["close"], n),), moving.sma_lookback),
    "ema": Indicator((Argument("window"),), lambda x, n: (moving.ema(x["close"], n),), moving.ema_lookback),
}


@dataclass(frozen=True)
class Chosen:
    """An indicator with its arguments; `name` with underscores, ``p`` for a decimal point: ``bbands_20_2p5``.

    A `name` that the request gave stands in its place, so that a column may keep its name while the arguments vary.
    """

    name: str
    indicator: Indicator
    arguments: tuple[Any, ...]

    @property
    def columns(self) -> list[str]:
        return [f"{self.name}{'_' if suffix else ''}{suffix}" for suffix in self.indicator.outputs]

    @property
    def lookback(self) -> int:
        return self.indicator.lookback(*self.arguments)

    def compute(self, inputs: Inputs) -> dict[str, Values]:
        return dict(zip(self.columns, self.indicator.compute(inputs, *self.arguments), strict=True))


def parse_names(text: str) -> list[Chosen]:
    """``sma:20,slow=ema:50`` read; one named twice counts once. Raises ValueError with words for the user."""
    chosen: dict[str, Chosen] = {}
    for one in map(_parse_one, text.split(",")):
        if chosen.setdefault(one.name, one) != one:
            raise ValueError(f"{one.name!r} names two different indicators")
    if len(chosen) > MAX_NAMES:
        raise ValueError(f"{len(chosen)} indicators, at most {MAX_NAMES} are computed at once")
    return list(chosen.values())


def usage(name: str) -> str:
    """How `name` is written, ``sma:window``."""
    return ":".join([name, *(a.name for a in INDICATORS[name].arguments)])


def _parse_one(text: str) -> Chosen:
    own_name, given, usual = text.rpartition("=")
    if given and (not _OWN_NAME.match(own_name) or own_name in _TAKEN):
        raise ValueError(f"{own_name[:40]!r} is no name for a column: lower-case letters, digits and underscores")
    name, *words = usual.split(":")
    indicator = INDICATORS.get(name)
    if indicator is None:
        raise ValueError(f"{name[:20]!r} is not an indicator; known are {', '.join(usage(n) for n in INDICATORS)}")
    if len(words) != len(indicator.arguments):
        raise ValueError(f"{text[:40]!r} must be written {usage(name)}")
    arguments = tuple(_number(text, word, a) for word, a in zip(words, indicator.arguments, strict=True))
    usual_name = "_".join([name, *(f"{a:g}".replace(".", "p") for a in arguments)])
    return Chosen(own_name or usual_name, indicator, arguments)


def _number(text: str, word: str, argument: Argument) -> int | float:
    value = float(word) if _NUMBER.match(word) else None
    if value is None or not argument.low <= value <= argument.high or (argument.whole and "." in word):
        kind = "a whole number" if argument.whole else "a number"
        raise ValueError(f"{text[:40]!r}: {argument.name} must be {kind} from {argument.low:g} to {argument.high:g}")
    return int(word) if argument.whole else value
