"""Indicators by name: ``bbands:20:2.5`` is read, checked, named and computed here."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property, lru_cache
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from indicators.entries import INDICATORS
from indicators.indicator import Flags, Indicator, Output, Parameter, Values, argument_text

#: Columns of candles by name, of one length, ascending by time: open high low close volume notional session clock.
Inputs = Mapping[str, npt.NDArray[Any]]

MAX_NAMES: Final = 20
#: Lists of names that are kept read: a dashboard asks for the same every second.
_KEPT: Final = 256
_NUMBER = re.compile(r"[0-9]{1,6}(\.[0-9]{1,6})?\Z")
_OWN_NAME = re.compile(r"[a-z][a-z0-9_]{1,31}\Z")
#: What candles call their own columns.
_TAKEN = frozenset({"t", "o", "h", "l", "c", "v", "vw", "symbol", "previous_close"})
_PRICES = ("open", "high", "low", "close")


@dataclass(frozen=True)
class Chosen:
    """An indicator with its arguments; `name` with underscores, ``p`` for a decimal point: ``bbands_20_2p5``.

    A `name` that the request gave stands in its place, so that a column may keep its name while the arguments vary.
    """

    name: str
    indicator: Indicator
    arguments: tuple[Any, ...]

    @cached_property
    def outputs(self) -> dict[str, Output]:
        """By the name of its column."""
        return {f"{self.name}{'_' if o.suffix else ''}{o.suffix}": o for o in self.indicator.outputs}

    @property
    def reach(self) -> int:
        return self.indicator.reach(*self.arguments)

    @property
    def warm_up(self) -> int:
        return self.indicator.warm_up(*self.arguments)

    def compute(self, inputs: Inputs) -> dict[str, Values]:
        """One column for each output; NaN where there is no value.

        A row in which a price that is needed is NaN is no candle: it has no value, and the others are computed as if it
        were not there. A volume that is NaN is 0.
        """
        given, there = self._given(inputs)
        if there is None:
            found = self.indicator.compute(*given, *self.arguments) if len(given[0]) else _nothing(self.indicator)
        else:
            found = tuple(np.full(len(there), np.nan) for _ in self.indicator.outputs)
            if there.any():
                part = self.indicator.compute(*(column[there] for column in given), *self.arguments)
                for whole, values in zip(found, part, strict=True):
                    whole[there] = values
        return dict(zip(self.outputs, found, strict=True))

    def converged(self, inputs: Inputs) -> Flags:
        """Where candles older than the first of `inputs` would change the value by less than a part in 10^9."""
        given, there = self._given(inputs)
        if there is not None:
            given = [column[there] for column in given]
        count = len(given[0])
        if count and self.indicator.converged:
            flags = self.indicator.converged(*given, *self.arguments)
        else:
            flags = np.arange(count) >= self.reach
        if there is None:
            return flags
        out = np.zeros(len(there), bool)
        out[there] = flags
        return out

    def _given(self, inputs: Inputs) -> tuple[list[npt.NDArray[Any]], Flags | None]:
        """The inputs, and which rows have all prices; None where all have."""
        there: Flags | None = None
        given = []
        for name in self.indicator.inputs:
            column = inputs[name]
            if name in _PRICES and math.isnan(column.sum()):
                known = ~np.isnan(column)
                there = known if there is None else there & known
            given.append(np.nan_to_num(column) if name == "volume" and math.isnan(column.sum()) else column)
        return given, there


def _nothing(indicator: Indicator) -> tuple[Values, ...]:
    return tuple(np.empty(0) for _ in indicator.outputs)


@lru_cache(maxsize=_KEPT)
def parse_names(text: str) -> tuple[Chosen, ...]:
    """``sma:20,slow=ema:50`` read; one named twice counts once. Raises ValueError with a message for the user."""
    chosen: dict[str, Chosen] = {}
    columns: dict[str, Chosen] = {}
    for one in (_parse_one(part.strip()) for part in text.split(",")):
        if chosen.setdefault(one.name, one) != one:
            raise ValueError(f"{one.name!r} names two different indicators")
        for column in one.outputs:
            if columns.setdefault(column, one) != one:
                raise ValueError(f"{one.name!r} and {columns[column].name!r} both have a column {column!r}")
    if len(chosen) > MAX_NAMES:
        raise ValueError(f"{len(chosen)} indicators, at most {MAX_NAMES} are computed at once")
    return tuple(chosen.values())


def usage(name: str) -> str:
    """How `name` is written, ``sma:window``."""
    return ":".join([name, *(p.name for p in INDICATORS[name].parameters)])


def example(name: str) -> str:
    """`name` with its usual arguments, ``sma:20``."""
    return ":".join([name, *(argument_text(p.default) for p in INDICATORS[name].parameters)])


def nearest(word: str, known: Mapping[str, str]) -> str:
    """``; did you mean 'ema'?`` where a known name is like `word`, or the words that explain it have it; else nothing."""
    word = word.lower()[:40]
    lower = {name.lower(): name for name in known}
    found = [lower[name] for name in get_close_matches(word, lower, n=1, cutoff=0.6)]
    if not found and len(word) > 3:
        found = [name for name, text in known.items() if word.replace("_", " ") in text.lower()]
    return f"; did you mean {found[0]!r}?" if found else ""


def _parse_one(text: str) -> Chosen:
    own_name, given, usual = text.rpartition("=")
    if given and (not _OWN_NAME.match(own_name) or own_name in _TAKEN or own_name.endswith("_converged")):
        raise ValueError(f"{own_name[:40]!r} is no name for a column: lower-case letters, digits and underscores")
    name, *words = usual.split(":")
    indicator = INDICATORS.get(name)
    if indicator is None:
        hint = nearest(name, {n: i.meaning for n, i in INDICATORS.items()})
        raise ValueError(f"{name[:20]!r} is not an indicator{hint}; known are {', '.join(map(usage, INDICATORS))}")
    if len(words) != len(indicator.parameters):
        others = "".join(f"; or {usage(other)}" for other in INDICATORS if other.startswith(f"{name}_"))
        raise ValueError(f"{text[:40]!r} must be written {usage(name)}, for example {example(name)}{others}")
    arguments = tuple(_number(text, word, p) for word, p in zip(words, indicator.parameters, strict=True))
    wrong = indicator.check(*arguments)
    if wrong:
        raise ValueError(f"{text[:40]!r}: {wrong}")
    usual_name = "_".join([name, *(argument_text(a).replace(".", "p") for a in arguments)])
    return Chosen(own_name or usual_name, indicator, arguments)


def _number(text: str, word: str, parameter: Parameter) -> int | float:
    value = float(word) if _NUMBER.match(word) else None
    if value is None or not parameter.low <= value <= parameter.high or (parameter.whole and "." in word):
        kind = "a whole number" if parameter.whole else "a number"
        low, high = argument_text(parameter.low), argument_text(parameter.high)
        raise ValueError(f"{text[:40]!r}: {parameter.name} must be {kind} from {low} to {high}")
    return int(word) if parameter.whole else value
