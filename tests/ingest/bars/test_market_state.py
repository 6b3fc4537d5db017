"""The market state: accepting and rejecting bars, days, volumes and changes, compared with one plain pass bar by bar."""

from __future__ import annotations

import math
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bars.market_state import AHEAD_MS, MarketState
from market.bar import MINUTE_MS, Bar
from market.sessions import day_of

HOUR = 3_600_000
NEW_YORK = ZoneInfo("America/New_York")


def at(day: int, hour: int, minute: int = 0, second: int = 0) -> int:
    """Epoch ms of a time in New York in October 2025."""
    return int(datetime(2025, 10, day, hour, minute, second, tzinfo=NEW_YORK).timestamp()) * 1000


T = at(10, 11)
NEVER = at(31, 0)  # a wall clock that refuses nothing


def bar(
    symbol: str, t: int, close: float | None = 100.0, volume: float = 10, av: float | None = None, **more: Any
) -> Bar:
    c = None if close is None else round(close * 10_000)
    return Bar(symbol, t, c, c, c, c, volume, None, av=av, **more)


def day_volume(tape: MarketState, symbol: str) -> float:
    return float(tape.volume[tape.index[symbol]])


def accepted(tape: MarketState, bars: list[Bar], now: int = NEVER) -> list[Bar]:
    return [b for taken in tape.take(bars, now) for b in taken.bars]


# --- accept and refuse


def test_a_bar_ahead_of_the_wall_clock_is_refused_before_it_can_block_its_series() -> None:
    tape = MarketState(HOUR)
    bars = [bar("A", T), bar("A", T + AHEAD_MS), bar("A", T + AHEAD_MS + 1000), bar("B", T * 1000)]
    assert accepted(tape, bars, now=T) == bars[:2]
    assert tape.counts.rejected == {"future": 2}
    assert tape.clock == T + AHEAD_MS
    assert "B" not in tape.index


def test_a_bar_is_too_late_by_its_own_symbols_newest_second() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T), bar("B", T - 3 * HOUR)])
    assert accepted(tape, [bar("A", T - HOUR), bar("A", T - HOUR - 1000), bar("B", T - HOUR)]) == [
        bar("A", T - HOUR),
        bar("B", T - HOUR),
    ]
    assert tape.counts.rejected == {"too_late": 1}


def test_lateness_counts_in_order_of_arrival_also_within_a_batch() -> None:
    late = bar("A", T - HOUR - 1000)
    assert accepted(MarketState(HOUR), [late, bar("A", T)]) == [late, bar("A", T)]
    assert accepted(MarketState(HOUR), [bar("A", T), late]) == [bar("A", T)]


def test_years_old_data_is_normal() -> None:
    tape = MarketState(HOUR)
    old = [bar("A", at(1, 12) - 7 * 365 * 24 * HOUR + n * 1000) for n in range(3)]
    assert accepted(tape, old) == old
    assert tape.counts.rejected == {}


def test_the_newest_bar_of_each_symbol_is_marked() -> None:
    tape = MarketState(HOUR)
    (taken,) = tape.take([bar("A", T), bar("A", T + 1000), bar("B", T), bar("A", T + 1000, 101)], NEVER)
    assert taken.newest == [False, True, True, True]
    (taken,) = tape.take([bar("A", T), bar("B", T + 1000)], NEVER)
    assert taken.newest == [False, True]


def test_what_an_earlier_process_stored_bounds_what_is_taken() -> None:
    tape = MarketState(HOUR)
    tape.restore("A", T, 99.0)
    assert accepted(tape, [bar("A", T - HOUR - 1000), bar("A", T - HOUR)]) == [bar("A", T - HOUR)]
    assert tape.last[tape.index["A"]] == 99.0


# --- days


def test_the_day_rolls_at_new_yorks_midnight_and_the_last_price_becomes_the_previous_close() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", at(9, 15, 59), 100.0), bar("A", at(9, 19, 59), 110.0), bar("B", at(9, 12), 50.0)])
    assert math.isnan(tape.change()[0])
    taken = tape.take([bar("A", at(9, 23, 59), 120.0), bar("A", at(10, 0), 150.0, 7)], NEVER)
    assert [t.bars[0].t for t in taken] == [at(9, 23, 59), at(10, 0)]
    assert tape.change().tolist() == [pytest.approx(25.0), 0.0]
    assert (day_volume(tape, "A"), day_volume(tape, "B")) == (7, 0)
    assert tape.day == day_of(at(10, 12))


def test_a_late_bar_of_yesterday_does_not_touch_today() -> None:
    tape = MarketState(24 * HOUR)
    accepted(tape, [bar("A", at(9, 15), 100.0, 5), bar("A", at(10, 9, 30), 110.0, 7)])
    accepted(tape, [bar("A", at(9, 15, 1), 90.0, 1000, av=10**9), bar("A", at(9, 15, 2), 90.0, 1000)])
    assert day_volume(tape, "A") == 7
    assert tape.last[0] == 110.0
    assert tape.change()[0] == pytest.approx(10.0)


def test_a_batch_of_very_many_days_is_taken_day_by_day() -> None:
    tape = MarketState(HOUR)
    bars = [bar("A", at(1, 12) - n * 24 * HOUR, 100 + n) for n in range(2_500)][::-1]
    assert accepted(tape, bars) == bars
    assert tape.previous_close[0] == 101.0


# --- volume and price


def test_the_vendors_volume_of_the_day_is_the_authority() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T, volume=10, av=5_000), bar("A", T + 1000, volume=10, av=5_010)])
    accepted(tape, [bar("A", T, volume=99, av=5_099)])  # restated: an older state of the day
    assert day_volume(tape, "A") == 5_010
    accepted(tape, [bar("A", T + 1000, volume=30, av=5_119)])
    assert day_volume(tape, "A") == 5_119


def test_without_it_the_volume_of_the_day_is_the_sum_of_the_seconds() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T, volume=10), bar("A", T + 1000, volume=0.5)])
    accepted(tape, [bar("A", T, volume=10), bar("A", T - 5000, volume=2)])
    assert day_volume(tape, "A") == 12.5
    assert tape.counts.restated == 1


def test_a_second_told_twice_in_one_batch_counts_once() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T, volume=10), bar("A", T, volume=10)])
    assert (day_volume(tape, "A"), tape.counts.restated) == (10, 1)


def test_a_second_without_prices_leaves_the_price() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T, 100.0), bar("A", T + 1000, None, 5)])
    assert (tape.last[0], tape.newest[0], day_volume(tape, "A")) == (100.0, T + 1000, 15)


def test_a_minute_bar_told_again_counts_once() -> None:
    tape = MarketState(HOUR)
    minute = bar("A", T, volume=60, span=MINUTE_MS)
    for _ in range(2):
        accepted(tape, [minute])
    accepted(tape, [minute._replace(t=T + 3 * HOUR)], now=T)
    assert day_volume(tape, "A") == 60
    assert (tape.counts.filled, tape.counts.restated, tape.counts.rejected) == (1, 1, {"future": 1})


def test_the_price_is_that_of_the_newest_second_with_a_price() -> None:
    tape = MarketState(HOUR)
    accepted(tape, [bar("A", T + 2000, None)])
    accepted(tape, [bar("A", T, 100.0)])
    accepted(tape, [bar("A", T - 1000, 90.0), bar("A", T, 101.0)])
    assert tape.last[0] == 101.0


def test_symbols_without_number_make_it_grow() -> None:
    tape = MarketState(HOUR, capacity=2)
    bars = [bar(f"S{n}", T, 100 + n, volume=n) for n in range(40)]
    assert accepted(tape, bars) == bars
    assert [day_volume(tape, f"S{n}") for n in range(40)] == list(range(40))
    assert tape.active() == 40


def test_active_symbols_traded_within_a_minute_of_the_clock() -> None:
    tape = MarketState(HOUR)
    assert tape.active() == 0
    accepted(tape, [bar("A", T), bar("B", T + 59_000), bar("C", T + 60_000)])
    assert tape.active() == 2


# --- the definition


class Plain:
    """The reference: bar by bar. It never forgets a second, so tests stay within the length of the rings."""

    def __init__(self, lateness: int) -> None:
        self.lateness = lateness
        self.newest: dict[str, int] = {}
        self.priced: dict[str, int] = {}
        self.last: dict[str, float] = {}
        self.previous: dict[str, float] = {}
        self.volume: dict[str, float] = {}
        self.seen: set[tuple[str, int]] = set()
        self.restated = self.late = self.future = 0
        self.day: Any = None

    def take(self, bars: list[Bar], now: int) -> list[Bar]:
        fit = [b for b in bars if b.t <= now + AHEAD_MS]
        self.future += len(bars) - len(fit)
        if self.day is None and fit:
            self.day = day_of(min(b.t for b in fit))
        if fit:  # a later day waits until what lies before is taken
            end = self.day.end
            fit.sort(key=lambda b: day_of(b.t).start if b.t >= end else 0)
        return [b for b in fit if self._one(b)]

    def _one(self, b: Bar) -> bool:
        if b.t >= self.day.end:
            self.day = day_of(b.t)
            self.previous |= self.last
            self.volume = {}
        newest = self.newest.get(b.sym, b.t)
        if b.t < newest - self.lateness:
            self.late += 1
            return False
        self.newest[b.sym] = max(newest, b.t)
        first = (b.sym, b.t) not in self.seen
        self.seen.add((b.sym, b.t))
        self.restated += not first
        if b.t >= self.day.start and b.av is None and first:
            self.volume[b.sym] = self.volume.get(b.sym, 0.0) + b.v
        if b.c is not None and b.t >= self.priced.get(b.sym, 0):
            self.last[b.sym], self.priced[b.sym] = b.c / 10_000, b.t
        return True


MIDNIGHT = at(10, 0)
arrivals = st.tuples(
    st.sampled_from(["A", "B", "C"]),
    st.integers(-400, 400) | st.integers(-20_000, 20_000),
    st.none() | st.integers(1, 200),
    st.integers(0, 9),
).map(lambda x: bar(x[0], MIDNIGHT + x[1] * 1000, x[2], x[3]))


@settings(max_examples=250, deadline=None)
@given(
    st.lists(st.lists(arrivals, max_size=20), max_size=6), st.sampled_from([300_000, HOUR]), st.integers(-300, 20_000)
)
def test_it_is_the_definition_in_any_order_across_hours_and_midnight(
    batches: list[list[Bar]], lateness: int, now: int
) -> None:
    tape, plain = MarketState(lateness, capacity=1), Plain(lateness)
    clock = MIDNIGHT + now * 1000
    for batch in batches:
        assert accepted(tape, batch, clock) == plain.take(batch, clock)
    assert sum(tape.counts.rejected.values()) == plain.late + plain.future
    assert tape.counts.rejected.get("future", 0) == plain.future
    for symbol, newest in plain.newest.items():
        idx = tape.index[symbol]
        assert tape.newest[idx] == newest
        assert tape.last[idx] == pytest.approx(plain.last.get(symbol, math.nan), nan_ok=True)
        assert tape.previous_close[idx] == pytest.approx(plain.previous.get(symbol, math.nan), nan_ok=True)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.lists(st.tuples(st.sampled_from("AB"), st.integers(0, 899), st.integers(0, 9)), max_size=20), max_size=6
    )
)
def test_volume_and_restated_count_every_second_once_within_fifteen_minutes(
    batches: list[list[tuple[str, int, int]]],
) -> None:
    tape, plain = MarketState(HOUR), Plain(HOUR)
    for batch in batches:
        bars = [bar(symbol, T + second * 1000, 100, volume) for symbol, second, volume in batch]
        accepted(tape, bars)
        plain.take(bars, NEVER)
    assert tape.counts.restated == plain.restated
    for symbol in plain.newest:
        assert day_volume(tape, symbol) == plain.volume.get(symbol, 0)


# --- the day's volume after a restart


def restarted(newest: int, volume: float) -> MarketState:
    tape = MarketState(HOUR)
    tape.restore("A", newest, 100.0)
    tape.restore_volume(day_of(newest), {"A": volume})
    return tape


def test_the_days_volume_goes_on_from_what_the_store_holds() -> None:
    tape = restarted(T, 10_000)
    accepted(tape, [bar("A", T, volume=70), bar("B", T, volume=3)])  # a replay repeats the last second of A
    assert (day_volume(tape, "A"), day_volume(tape, "B")) == (10_000, 3)
    accepted(tape, [bar("A", T + 1000, volume=5)])
    assert day_volume(tape, "A") == 10_005


def test_the_vendors_volume_of_the_day_counts_more_than_the_stores() -> None:
    tape = restarted(T, 10_000)
    accepted(tape, [bar("A", T + 1000, volume=5, av=12_000)])
    assert day_volume(tape, "A") == 12_000


def test_a_stored_volume_of_yesterday_is_none_of_today() -> None:
    tape = restarted(T, 10_000)
    accepted(tape, [bar("A", T + 24 * HOUR, volume=5)])
    assert day_volume(tape, "A") == 5
    tape = restarted(T, 10_000)
    accepted(tape, [bar("A", T - 24 * HOUR, volume=7), bar("A", T, volume=1), bar("A", T + 1000, volume=5)], NEVER)
    assert day_volume(tape, "A") == 10_005


# --- symbols without end


def test_bars_of_more_symbols_than_the_most_are_counted_and_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    tape = MarketState(HOUR, capacity=2, max_symbols=3)
    assert [b.sym for b in accepted(tape, [bar(s, T) for s in "ABCDE"])] == ["A", "B", "C"]
    assert [b.sym for b in accepted(tape, [bar(s, T + 1000) for s in "DBA"])] == ["B", "A"]
    assert accepted(tape, [bar("D", T + 2000)]) == []
    assert tape.symbols == ["A", "B", "C"] == list(tape.index)
    assert (tape.counts.beyond, tape.counts.rejected) == (4, {})
    assert [record.getMessage() for record in caplog.records] == [
        "there are 3 symbols, the events of D and all further ones are not taken: raise TAPEWATCH_MAX_SYMBOLS if they are real"
    ]


def test_symbols_of_the_store_are_kept_though_they_are_more_than_the_most() -> None:
    tape = MarketState(HOUR, max_symbols=1)
    for symbol in "AB":
        tape.restore(symbol, T, 100.0)
    assert [b.sym for b in accepted(tape, [bar(s, T + 1000) for s in "ABC"])] == ["A", "B"]
