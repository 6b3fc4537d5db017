"""Which minute bars are used and how, compared with what was given to the store; without Redis."""

from __future__ import annotations

import pytest

from ingest.bars import minute_bars as module
from ingest.bars.market_state import MarketState
from ingest.bars.minute_bars import FillRemoved, MinuteBars
from market.bar import MINUTE_MS, Bar

T = 1_760_104_800_000


class Harness:
    """Minute bars over a market state; `stored` and `unsure` are what they returned, `removed` the fills that gave way."""

    def __init__(self, subscribed: bool = True) -> None:
        self.tape = MarketState(3_600_000)
        self.stored: list[Bar] = []
        self.unsure: list[Bar] = []
        self.removed: list[FillRemoved] = []
        self.waiting = 0  # bars that wait for the store
        self.bars = MinuteBars(self.tape, subscribed)

    def use(self, bars: list[Bar]) -> None:
        """What the pipeline does with bars whose time has come."""
        judged = self.bars.judge(bars)
        self.unsure += judged.unsure
        self.store(judged.fills)

    def take(self, bars: list[Bar]) -> None:
        self.use(self.bars.take(bars))

    def release(self, clock: int) -> None:
        self.use(self.bars.release(clock, self.waiting))

    def idle(self) -> None:
        self.use(self.bars.idle(self.waiting))

    def release_all(self) -> None:
        self.use(self.bars.release_all())

    def store(self, bars: list[Bar]) -> None:
        self.stored += bars
        self.tape.take(bars, 2 * T)

    def second(self, offset_s: int, symbol: str = "F", close: int | None = 100) -> None:
        bar = Bar(symbol, T + offset_s * 1000, close, close, close, close, 5, 500)
        for taken in self.tape.take([bar], 2 * T):
            self.removed += self.bars.removed_by(taken)


def minute(n: int = 0, symbol: str = "F", volume: float = 5) -> Bar:
    return Bar(symbol, T + n * MINUTE_MS, 100, 100, 100, 100, volume, 500, MINUTE_MS)


def test_where_no_second_was_ever_seen_nothing_is_waited_for() -> None:
    harness = Harness()
    harness.take([minute(0), minute(1)])
    assert harness.stored == [minute(0), minute(1)]
    assert harness.bars.filled == 2


def test_else_it_waits_for_the_event_clock() -> None:
    harness = Harness()
    harness.second(-60)
    harness.take([minute(0), minute(1, "AAPL"), minute(-5)])
    ready = [(T + MINUTE_MS + module.HOLD_MS - 1, 1), (T + MINUTE_MS + module.HOLD_MS, 2), (T + 10 * MINUTE_MS, 3)]
    harness.release(T - 5 * MINUTE_MS)
    assert harness.stored == []
    for clock, count in ready:
        harness.release(clock)
        assert len(harness.stored) == count
    assert harness.stored == [minute(-5), minute(0), minute(1, "AAPL")]


def test_a_clock_that_stands_still_does_not_keep_it_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.second(0)
    harness.take([minute(3)])
    harness.idle()
    assert harness.stored == []
    monkeypatch.setattr(module, "IDLE_S", -1.0)
    harness.idle()
    assert harness.stored == [minute(3)]
    harness.take([minute(4)])
    harness.release_all()
    assert harness.stored == [minute(3), minute(4)]


def the_market(harness: Harness, count: int) -> list[Bar]:
    """Lets go that many minute bars; the store of `harness` acknowledges nothing."""
    bars = [minute(0, f"S{n}") for n in range(count)]
    harness.second(-60)
    harness.take(bars)
    harness.release(T + 10 * MINUTE_MS)
    return bars


def test_the_minute_bars_of_the_whole_market_come_in_portions_and_in_order() -> None:
    harness = Harness()
    bars = the_market(harness, 1_200)
    for used in (500, 1_000, 1_200):
        assert harness.stored == bars[:used]
        assert harness.bars.is_busy == (used < 1_200)
        harness.idle()


def test_a_portion_waits_for_the_writer_but_not_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = Harness()
    harness.waiting = module.FEW_WAITING + 1
    bars = the_market(harness, 600)
    assert (harness.stored, harness.bars.is_busy) == ([], True)
    monkeypatch.setattr(module, "PATIENCE_S", -1.0)
    harness.idle()
    assert harness.stored == bars[:500]
    harness.take([minute(1)])
    harness.release_all()
    assert (harness.stored, harness.bars.is_busy) == ([*bars, minute(1)], False)


def test_a_second_that_comes_while_a_minute_bar_waits_its_turn_keeps_it_out() -> None:
    harness = Harness()
    bars = the_market(harness, 501)
    harness.second(5, "S500")
    harness.idle()
    assert harness.stored == bars[:500]
    assert harness.bars.filled == 500


def test_more_than_is_used_in_portions_is_used_by_shares() -> None:
    harness = Harness()
    the_market(harness, 16_000)
    assert len(harness.stored) == 1_000


def test_a_minute_with_seconds_is_compared() -> None:
    harness = Harness()
    harness.second(0)
    harness.take([minute(volume=5), minute(volume=6)])
    harness.release_all()
    assert (harness.stored, harness.bars.differ, harness.bars.filled) == ([], 1, 0)


def test_what_an_earlier_process_may_have_stored_is_looked_up() -> None:
    harness = Harness()
    harness.tape.restore("F", T + MINUTE_MS, 1.0)
    harness.take([minute(0), minute(1), minute(2)])
    assert harness.unsure == [minute(0), minute(1)]
    assert harness.stored == [minute(2)]


def test_a_second_that_came_while_it_was_looked_up_keeps_it_out() -> None:
    harness = Harness()
    harness.second(5)
    harness.store(harness.bars.still_missing([minute(0), minute(1)]))
    assert harness.stored == [minute(1)]


def test_a_fill_makes_way_once_for_the_first_second_with_prices() -> None:
    harness = Harness()
    harness.take([minute(0), minute(0, "AAPL")])
    harness.second(5, close=None)
    harness.second(6)
    harness.second(7)
    assert harness.removed == [FillRemoved("F", T)] * 2


def test_without_minute_bars_seconds_ask_for_nothing() -> None:
    harness = Harness(subscribed=False)
    harness.tape.restore("F", T + MINUTE_MS, 1.0)
    harness.second(5)
    assert harness.removed == []
