"""Which minute bars are used and how, compared with what was given to the store; without Redis."""

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


class Harness:
    """Minute bars over a market state; `stored`, `unsure` and `commands` collect their output."""

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
    harness = Harness()
    harness.bars.take([minute(0), minute(1)])
    assert harness.stored == [minute(0), minute(1)]
    assert harness.bars.counts.filled == 2


def test_else_it_waits_for_the_event_clock() -> None:
    harness = Harness()
    harness.second(-60)
    harness.bars.take([minute(0), minute(1, "AAPL"), minute(-5)])
    ready = [(T + MINUTE_MS + module.HOLD_MS - 1, 1), (T + MINUTE_MS + module.HOLD_MS, 2), (T + 10 * MINUTE_MS, 3)]
    harness.bars.release(T - 5 * MINUTE_MS)
    assert harness.stored == []
    for clock, count in ready:
        harness.bars.release(clock)
        assert len(harness.stored) == count
    assert harness.stored == [minute(-5), minute(0), minute(1, "AAPL")]


def test_a_clock_that_stands_still_does_not_keep_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.second(0)
    harness.bars.take([minute(3)])
    harness.bars.idle()
    assert harness.stored == []
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    harness.bars.idle()
    assert harness.stored == [minute(3)]
    harness.bars.take([minute(4)])
    harness.bars.release_all()
    assert harness.stored == [minute(3), minute(4)]


def the_market(harness: Harness, count: int) -> list[Bar]:
    """Releases that many minute bars; the writer of `harness` acknowledges nothing."""
    bars = [minute(0, f"S{n}") for n in range(count)]
    harness.second(-60)
    harness.bars.take(bars)
    harness.bars.release(T + 10 * MINUTE_MS)
    return bars


def test_the_minute_bars_of_the_whole_market_come_in_portions_and_in_order() -> None:
    harness = Harness()
    bars = the_market(harness, 1_200)
    for used in (500, 1_000, 1_200):
        assert harness.stored == bars[:used]
        assert harness.bars.is_busy == (used < 1_200)
        harness.bars.idle()


def test_a_portion_waits_for_the_writer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.writer.put([minute()] * (module.FEW_WAITING + 1), [True] * (module.FEW_WAITING + 1))
    bars = the_market(harness, 600)
    assert (harness.stored, harness.bars.is_busy) == ([], True)
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    harness.bars.idle()
    assert harness.stored == bars[:500]
    harness.bars.take([minute(1)])
    harness.bars.release_all()
    assert (harness.stored, harness.bars.is_busy) == ([*bars, minute(1)], False)


def test_a_second_that_comes_while_a_minute_bar_waits_its_turn_keeps_it_out() -> None:
    harness = Harness()
    bars = the_market(harness, 501)
    harness.second(5, "S500")
    harness.bars.idle()
    assert harness.stored == bars[:500]
    assert harness.bars.counts.filled == 500


def test_more_than_is_used_in_portions_is_used_by_shares() -> None:
    harness = Harness()
    the_market(harness, 16_000)
    assert len(harness.stored) == 1_000


def test_a_minute_with_seconds_is_compared() -> None:
    harness = Harness()
    harness.second(0)
    harness.bars.take([minute(volume=5), minute(volume=6)])
    harness.bars.release_all()
    assert (harness.stored, harness.bars.counts.differ, harness.bars.counts.filled) == ([], 1, 0)


def test_what_an_earlier_process_may_have_stored_is_looked_up() -> None:
    harness = Harness()
    harness.tape.restore("F", T + MINUTE_MS, 1.0)
    harness.bars.take([minute(0), minute(1), minute(2)])
    assert harness.unsure == [minute(0), minute(1)]
    assert harness.stored == [minute(2)]


def test_a_second_that_came_while_it_was_looked_up_keeps_it_out() -> None:
    harness = Harness()
    harness.second(5)
    harness.bars.fill([minute(0), minute(1)])
    assert harness.stored == [minute(1)]


def test_a_fill_makes_way_once_for_the_first_second_with_prices() -> None:
    harness = Harness()
    harness.bars.take([minute(0), minute(0, "AAPL")])
    harness.second(5, close=None)
    harness.second(6)
    harness.second(7)
    assert harness.commands == [make_way_args("F", T)] * 2


def test_without_minute_bars_seconds_ask_for_nothing() -> None:
    harness = Harness(subscribed=False)
    harness.tape.restore("F", T + MINUTE_MS, 1.0)
    harness.second(5)
    assert harness.commands == []
