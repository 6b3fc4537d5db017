"""When a minute bar is used, and what becomes of it: without Redis, against what was handed to the store."""

from __future__ import annotations

import pytest

from ingest import minute_bars as module
from ingest.bars.market_state import MarketState
from ingest.minute_bars import MinuteBars
from market.bar import MINUTE_MS, Bar
from redis_functions.contract.schema import Schema
from redis_functions.lua.calls import make_way_args
from redis_functions.write.writer import Writer

T = 1_760_104_800_000


class World:
    """Minute bars over a tape; `stored` and `unsure` are what they handed on, `commands` what the writer was told."""

    def __init__(self, subscribed: bool = True) -> None:
        self.tape = MarketState(3_600_000)
        self.stored: list[Bar] = []
        self.unsure: list[Bar] = []
        self.commands: list[tuple[str | int, ...]] = []
        writer = Writer("unix:///nowhere", Schema())
        writer.put_command = lambda *words: self.commands.append(words)  # type: ignore[method-assign]
        self.writer = writer
        self.bars = MinuteBars(self.tape, writer, self.store, self.unsure.append, subscribed)

    def store(self, bars: list[Bar]) -> None:
        self.stored += bars
        self.tape.take(bars, 2 * T)

    def second(self, offset_s: int, symbol: str = "F", close: int | None = 100) -> None:
        bar = Bar(symbol, T + offset_s * 1000, close, close, close, close, 5, 500)
        for taken in self.tape.take([bar], 2 * T):
            self.bars.make_way(taken)


def minute(n: int = 0, symbol: str = "F", volume: float = 5) -> Bar:
    return Bar(symbol, T + n * MINUTE_MS, 100, 100, 100, 100, volume, 500, MINUTE_MS)


def test_where_no_second_was_ever_seen_nothing_is_waited_for() -> None:
    world = World()
    world.bars.take([minute(0), minute(1)])
    assert world.stored == [minute(0), minute(1)]
    assert world.bars.counts.filled == 2


def test_else_it_waits_for_the_event_clock() -> None:
    world = World()
    world.second(-60)
    world.bars.take([minute(0), minute(1, "AAPL"), minute(-5)])
    ready = [(T + MINUTE_MS + module.HOLD_MS - 1, 1), (T + MINUTE_MS + module.HOLD_MS, 2), (T + 10 * MINUTE_MS, 3)]
    world.bars.release(T - 5 * MINUTE_MS)
    assert world.stored == []
    for clock, count in ready:
        world.bars.release(clock)
        assert len(world.stored) == count
    assert world.stored == [minute(-5), minute(0), minute(1, "AAPL")]


def test_a_clock_that_stands_still_does_not_keep_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.second(0)
    world.bars.take([minute(3)])
    world.bars.idle()
    assert world.stored == []
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    world.bars.idle()
    assert world.stored == [minute(3)]
    world.bars.take([minute(4)])
    world.bars.release_all()
    assert world.stored == [minute(3), minute(4)]


def the_market(world: World, count: int) -> list[Bar]:
    """Lets go that many minute bars; the writer of `world` acknowledges nothing."""
    bars = [minute(0, f"S{n}") for n in range(count)]
    world.second(-60)
    world.bars.take(bars)
    world.bars.release(T + 10 * MINUTE_MS)
    return bars


def test_the_minute_bars_of_the_whole_market_come_in_portions_and_in_order() -> None:
    world = World()
    bars = the_market(world, 1_200)
    for used in (500, 1_000, 1_200):
        assert world.stored == bars[:used]
        assert world.bars.is_busy == (used < 1_200)
        world.bars.idle()


def test_a_portion_waits_for_the_writer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    world = World()
    world.writer.put([minute()] * (module.FEW_WAITING + 1), [True] * (module.FEW_WAITING + 1))
    bars = the_market(world, 600)
    assert (world.stored, world.bars.is_busy) == ([], True)
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    world.bars.idle()
    assert world.stored == bars[:500]
    world.bars.take([minute(1)])
    world.bars.release_all()
    assert (world.stored, world.bars.is_busy) == ([*bars, minute(1)], False)


def test_a_second_that_comes_while_a_minute_bar_waits_its_turn_keeps_it_out() -> None:
    world = World()
    bars = the_market(world, 501)
    world.second(5, "S500")
    world.bars.idle()
    assert world.stored == bars[:500]
    assert world.bars.counts.filled == 500


def test_more_than_is_used_in_portions_is_used_by_shares() -> None:
    world = World()
    the_market(world, 16_000)
    assert len(world.stored) == 1_000


def test_a_minute_with_seconds_is_compared() -> None:
    world = World()
    world.second(0)
    world.bars.take([minute(volume=5), minute(volume=6)])
    world.bars.release_all()
    assert (world.stored, world.bars.counts.differ, world.bars.counts.filled) == ([], 1, 0)


def test_what_an_earlier_process_may_have_stored_is_looked_up() -> None:
    world = World()
    world.tape.restore("F", T + MINUTE_MS, 1.0)
    world.bars.take([minute(0), minute(1), minute(2)])
    assert world.unsure == [minute(0), minute(1)]
    assert world.stored == [minute(2)]


def test_a_second_that_came_while_it_was_looked_up_keeps_it_out() -> None:
    world = World()
    world.second(5)
    world.bars.fill([minute(0), minute(1)])
    assert world.stored == [minute(1)]


def test_a_fill_makes_way_once_for_the_first_second_with_prices() -> None:
    world = World()
    world.bars.take([minute(0), minute(0, "AAPL")])
    world.second(5, close=None)
    world.second(6)
    world.second(7)
    assert world.commands == [make_way_args("F", T)] * 2


def test_without_minute_bars_seconds_ask_for_nothing() -> None:
    world = World(subscribed=False)
    world.tape.restore("F", T + MINUTE_MS, 1.0)
    world.second(5)
    assert world.commands == []
