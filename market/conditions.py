"""Sale conditions: which prints may set a bar's high and low, its open and close, and its volume.

The rules are the consolidated tape's, keyed by condition id. A copy is frozen in ``conditions.json``; the vendor's current
list may be laid over it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import cache
from importlib import resources
from typing import NamedTuple

#: Form T: printed in the extended session. It sets no price of the official day, but it does set prices of the seconds
#: and minutes outside the regular session, or these would have none. Id 13 (the same, but out of sequence) never does.
EXTENDED_HOURS = 12


#: Combinations remembered for each session; a feed uses a few dozen.
_CACHE_SIZE = 4096
#: Different unknown ids counted one by one.
_UNKNOWN_SIZE = 256


class Effect(NamedTuple):
    """What a print may set: high and low, open and close, volume (and with it notional). Each is a right of its own."""

    high_low: bool
    open_close: bool
    volume: bool


ALL = Effect(True, True, True)


class Condition(NamedTuple):
    """A sale condition by name, with the effect that it leaves to a print."""

    name: str
    effect: Effect


class ConditionTable:
    """The sale conditions by id, and the effect of any combination of them.

    `ignored` ids come with trades but do not concern the sale (short-sale restriction, financial status).
    Ids that are neither known nor ignored change nothing; they are counted in `unknown` (prints by id).
    """

    def __init__(self, conditions: Mapping[int, Condition], ignored: Iterable[int], as_of: str = "") -> None:
        self.conditions = dict(conditions)
        self.ignored = frozenset(ignored) - self.conditions.keys()
        self.as_of = as_of
        self.unknown: dict[int, int] = {}
        self.unknown_prints = 0
        self._regular: dict[tuple[int, ...], Effect] = {(): ALL}
        self._extended: dict[tuple[int, ...], Effect] = {(): ALL}

    @classmethod
    def frozen(cls) -> ConditionTable:
        """The table that ships with the project; each call answers a table (and counters) of its own."""
        return cls.from_json(_frozen_text())

    @classmethod
    def from_json(cls, text: str) -> ConditionTable:
        """The table that `to_json` wrote. Raises ValueError, saying so, when it is not one."""
        try:
            table = json.loads(text)
            conditions = {
                int(row["id"]): Condition(
                    str(row["name"]), Effect(bool(row["high_low"]), bool(row["open_close"]), bool(row["volume"]))
                )
                for row in table["conditions"]
            }
            return cls(conditions, map(int, table["ignored"]), str(table["as_of"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"not a table of sale conditions: {error!r}") from None

    def to_json(self) -> str:
        """The table as text, one condition a line."""
        rows = [
            json.dumps({"id": number, "name": condition.name} | condition.effect._asdict())
            for number, condition in sorted(self.conditions.items())
        ]
        listed = ",\n    ".join(rows)
        return (
            f'{{\n  "as_of": {json.dumps(self.as_of)},\n  "conditions": [\n    {listed}\n  ],\n'
            f'  "ignored": {json.dumps(sorted(self.ignored))}\n}}\n'
        )

    def effect(self, conditions: tuple[int, ...], regular: bool) -> Effect:
        """What a print with these ids may set; any "no" wins. `regular`: printed 09:30-16:00 New York."""
        known = (self._regular if regular else self._extended).get(conditions)
        return self._combine(conditions, regular) if known is None else known

    def _combine(self, conditions: tuple[int, ...], regular: bool) -> Effect:
        high_low = open_close = volume = True
        unknown = False
        for number in conditions:
            condition = self.conditions.get(number)
            if condition is None:
                if number not in self.ignored:
                    unknown = True
                    self._count(number)
                continue
            effect = condition.effect
            if number != EXTENDED_HOURS or regular:
                high_low &= effect.high_low
                open_close &= effect.open_close
            volume &= effect.volume
        combined = Effect(high_low, open_close, volume)
        if unknown:
            # Not cached, so that each print is counted; rare until the table is refreshed.
            self.unknown_prints += 1
        else:
            cached = self._regular if regular else self._extended
            if len(cached) >= _CACHE_SIZE:
                cached.clear()
            cached[conditions] = combined
        return combined

    def _count(self, number: int) -> None:
        if number in self.unknown or len(self.unknown) < _UNKNOWN_SIZE:
            self.unknown[number] = self.unknown.get(number, 0) + 1


@cache
def _frozen_text() -> str:
    return resources.files("market").joinpath("conditions.json").read_text(encoding="utf-8")
