"""Names of late prints: the same in a replay, other ones where a second was built again, none where the store has the print."""

from __future__ import annotations

from ingest.bars.late_prints import SETTLED_MS, LatePrints
from ingest.bars.trade_bars import LatePrint, TradeBars
from market.bar import Trade

T = 1_760_104_800_000


def late(second: int = 0, symbol: str = "F") -> LatePrint:
    return LatePrint(symbol, T + second * 1000, 100, 1, 100)


def names(prints: LatePrints, numbers: list[int]) -> list[str]:
    return [named.key for number in numbers if (named := prints.name(late(), number, T))]


def test_names_are_those_of_the_record_and_the_same_in_a_replay() -> None:
    numbers = [1, 1, 2, 5]
    assert names(LatePrints(TradeBars()), numbers) == ["1:1", "1:2", "2:1", "5:1"]
    again = LatePrints(TradeBars())
    again.begin(replayed_to=1)
    assert names(again, numbers) == ["2:1", "5:1"]  # those of record 1 are in the store


def test_a_second_that_the_replay_built_again_takes_its_late_prints_again() -> None:
    bars = TradeBars()
    prints = LatePrints(bars)
    prints.begin(replayed_to=10)
    bars.add(Trade("F", T, 1.0, 1, (), 1))
    first, second = prints.name(late(), 3, T), prints.name(late(), 3, T)
    assert first is not None
    assert second is not None
    assert (first.also, second.also) == ("3:1", "3:2")
    assert first.key.endswith(":3:1")
    assert first.key != "3:1"


def test_long_after_the_replay_nothing_is_remembered() -> None:
    bars = TradeBars()
    prints = LatePrints(bars)
    prints.begin(replayed_to=10)
    prints.name(late(), 11, T)
    assert bars.built is not None
    prints.name(late(), 12, T + SETTLED_MS + 1)
    assert bars.built is None
