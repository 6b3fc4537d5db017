"""Second bars from trades: which print may set which field, order, lateness, duplicates."""

from __future__ import annotations

from typing import Any

import pytest

from ingest.bars.trade_bars import LATE_MS, LatePrint, TradeBars
from market.bar import Bar, Trade
from market.conditions import Condition, ConditionTable, Effect

# 2018-01-02 15:00:00 UTC, ten o'clock in New York; a whole minute.
T = 1_514_905_200_000
OPEN = T - 1_800_000
CLOSE = T + 6 * 3_600_000


class Prints:
    """Makes trades of one symbol with rising sequence numbers and keys."""

    def __init__(self) -> None:
        self.q = 0

    def __call__(
        self, after_ms: int, p: float = 10.0, s: float = 100.0, *c: int, sym: str = "XXX", **other: Any
    ) -> Trade:
        self.q += 1
        return Trade(sym, T + after_ms, p, s, c, self.q, self.q)._replace(**other)


@pytest.fixture
def at() -> Prints:
    return Prints()


@pytest.fixture
def bars() -> TradeBars:
    return TradeBars()


def bar(o: int | None, h: int | None, l: int | None, c: int | None, v: float, n: int, t: int = T) -> Bar:  # noqa: E741
    return Bar("XXX", t, o, h, l, c, v, n)


# --- what a second holds


def test_a_second_is_its_prints(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0), at(250, 10.5, 50), at(250, 9.9999, 1), at(999, 10.25, 200), at(1000, 11.0, 3)])
    assert bars.take() == [
        bar(100_000, 105_000, 99_999, 102_500, 351.0, 100 * 100_000 + 50 * 105_000 + 99_999 + 200 * 102_500),
        bar(110_000, 110_000, 110_000, 110_000, 3.0, 330_000, T + 1000),
    ]


def test_symbols_do_not_mix(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 1, sym="A"), at(0, 20.0, 2, sym="B"), at(5, 30.0, 3, sym="A")])
    assert {x.sym: (x.o, x.c, x.v) for x in bars.take()} == {"A": (100_000, 300_000, 4.0), "B": (200_000, 200_000, 2.0)}


def test_prints_that_may_set_only_volume_make_a_second_without_prices(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 5, 37), at(1, 11.0, 7, 37)])
    assert bars.take() == [bar(None, None, None, None, 12.0, 500_000 + 770_000)]


def test_high_and_low_may_be_set_without_open_and_close(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 5, 10), at(1, 11.0, 7, 32)])
    assert bars.take() == [bar(None, 110_000, 100_000, None, 12.0, 500_000 + 770_000)]


def test_each_field_takes_only_the_prints_that_may_set_it(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 9.0, 1, 37), at(1, 12.0, 1, 5), at(2, 10.0, 1)])
    bars.add_many([at(3, 11.0, 1, 14), at(4, 8.0, 1, 22), at(5, 50.0, 1, 2)])
    assert bars.take() == [bar(100_000, 120_000, 80_000, 110_000, 6.0, 1_000_000)]


def test_a_corrected_close_sets_prices_without_volume(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 100), at(1, 10.5, 5000, 38)])
    assert bars.take() == [bar(100_000, 105_000, 100_000, 105_000, 100.0, 10_000_000)]
    bars.add(at(5_000, 10.0, 5000, 38))
    assert bars.take() == [bar(100_000, 100_000, 100_000, 100_000, 0.0, 0, T + 5000)]


@pytest.mark.parametrize("code", [15, 16])
def test_an_official_price_sent_again_makes_no_second(bars: TradeBars, at: Prints, code: int) -> None:
    bars.add(at(0, 10.0, 100_000, code))
    assert bars.take() == []


@pytest.mark.parametrize(
    ("t", "priced"),
    [(OPEN - 1, True), (OPEN, False), (CLOSE - 1, False), (CLOSE, True), (CLOSE + 86_400_000 - 1, False)],
)
def test_form_t_sets_prices_outside_the_regular_session_only(t: int, priced: bool, at: Prints) -> None:
    bars = TradeBars()
    bars.add(at(t - T, 10.0, 100, 12))
    (found,) = bars.take()
    assert (found.o is not None, found.h is not None, found.v) == (priced, priced, 100.0)


def test_out_of_sequence_in_the_extended_session_never_sets_prices(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(OPEN - T - 1, 10.0, 1, 13), at(CLOSE - T, 10.0, 1, 13)])
    assert [(x.o, x.h, x.v) for x in bars.take()] == [(None, None, 1.0)] * 2


def test_sessions_follow_new_york_through_the_change_of_the_clocks(at: Prints) -> None:
    bars = TradeBars()
    friday, monday = 1_520_605_800_000, 1_520_861_400_000  # 2018-03-09 14:30 UTC (EST), 2018-03-12 13:30 UTC (EDT)
    for opening in (friday, monday):
        bars.add_many([at(opening - 1 - T, 10.0, 1, 12), at(opening - T, 10.0, 1, 12)])
    assert [x.o for x in bars.take()] == [100_000, None] * 2


def test_a_size_of_zero_sets_prices_and_leaves_the_volume(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 0), at(1, 12.0, 0)])
    assert bars.take() == [bar(100_000, 120_000, 100_000, 120_000, 0.0, 0)]


def test_fractional_sizes_sum_without_dust(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(i, 10.0, size) for i, size in enumerate((0.1, 0.2, 0.3, 0.000001))])
    assert bars.take() == [bar(100_000, 100_000, 100_000, 100_000, 0.600001, 60_000)]


def test_prices_finer_than_a_tick_round_half_to_even_each_and_money_is_exact(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.00005, 300), at(1, 10.00015, 300)])
    assert bars.take() == [bar(100_000, 100_002, 100_000, 100_002, 600.0, 300 * 200_002)]


# --- order


def test_open_and_close_follow_time_then_sequence_not_arrival(bars: TradeBars, at: Prints) -> None:
    first, second, third, fourth = at(10, 1.0), at(10, 2.0), at(20, 3.0), at(20, 4.0)
    for order in ([third, second, fourth, first], [fourth, third, second, first], [second, first, third, fourth]):
        fresh = TradeBars()
        fresh.add_many(order)
        assert [(x.o, x.c) for x in fresh.take()] == [(10_000, 40_000)]


def test_prints_of_equal_place_count_in_the_order_of_arrival(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(10, price, q=0, key=None) for price in (1.0, 2.0, 3.0)])
    assert [(x.o, x.c) for x in bars.take()] == [(10_000, 30_000)]
    bars.add_many([at(20, 4.0), at(10, 5.0, q=0)])
    assert [(x.o, x.c) for x in bars.take()] == [(10_000, 40_000)]


def test_an_earlier_print_that_arrives_later_moves_the_open(bars: TradeBars, at: Prints) -> None:
    early, late = at(0, 1.0), at(900, 2.0)
    bars.add(late)
    assert [(x.o, x.c) for x in bars.take()] == [(20_000, 20_000)]
    bars.add(early)
    assert [(x.o, x.c, x.v) for x in bars.take()] == [(10_000, 20_000, 200.0)]


# --- lateness


def test_exactly_a_minute_late_still_sets_open_and_close(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(500, 10.0), at(LATE_MS + 400)])
    bars.take()
    bars.add(at(400, 9.0, 1))
    assert bars.take() == [bar(90_000, 100_000, 90_000, 100_000, 101.0, 10_090_000)]
    assert bars.late_prints == 0


def test_a_millisecond_more_moves_only_high_low_volume_and_notional(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(500, 10.0), at(LATE_MS + 401)])
    bars.take()
    bars.add(at(400, 9.0, 1))
    assert bars.take() == [bar(100_000, 100_000, 90_000, 100_000, 101.0, 10_090_000)]
    assert bars.late_prints == 1


def test_the_first_print_of_a_second_may_be_late_and_leaves_open_and_close_to_others(
    bars: TradeBars, at: Prints
) -> None:
    bars.add_many([at(LATE_MS + 500), at(499, 9.0, 1), at(501, 10.0, 1)])
    assert bars.take(T + 1000) == [bar(100_000, 100_000, 90_000, 100_000, 2.0, 190_000)]
    assert bars.late_prints == 1


def test_a_second_is_let_go_when_no_print_on_time_can_reach_it(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0), at(LATE_MS + 999)])
    bars.take()
    bars.add(at(999, 9.0, 1))
    assert [x.v for x in bars.take()] == [101.0]
    bars.add(at(LATE_MS + 1000))
    bars.take()
    bars.add(at(999, 8.0, 2))
    assert bars.take() == []
    assert bars.take_late() == [LatePrint("XXX", T, 80_000, 2, 160_000)]
    assert bars.late_prints == 1


def test_what_was_not_taken_is_not_let_go(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0), at(10 * LATE_MS), at(999, 9.0, 1)])
    assert bars.take_late() == []
    assert bars.take(T + 1000) == [bar(100_000, 100_000, 90_000, 100_000, 101.0, 10_090_000)]
    bars.add(at(999, 8.0, 2))
    assert len(bars.take_late()) == 1


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        (10, (80_000, 2, 160_000)),
        (37, (None, 2, 160_000)),
        (38, (80_000, 0, 0)),
        (15, None),
    ],
)
def test_a_late_print_says_what_it_may_move(
    bars: TradeBars, at: Prints, code: int, expected: tuple[int | None, float, int] | None
) -> None:
    bars.add_many([at(10 * LATE_MS), at(1500, 8.0, 2, code)])
    assert [late[2:] for late in bars.take_late()] == ([expected] if expected else [])
    assert bars.late_prints == 1
    assert bars.take_late() == []
    assert [x.t for x in bars.take()] == [T + 10 * LATE_MS]


def test_a_late_print_that_moves_nothing_is_not_handed_on(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(10 * LATE_MS), at(1500, 8.0, 0, 37)])
    assert bars.take_late() == []
    assert bars.late_prints == 1


def test_lateness_is_the_symbols_own(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(3_600_000, sym="BUSY"), at(0, 10.0, sym="QUIET"), at(-500, 9.0, sym="QUIET")])
    assert [(x.sym, x.t, x.o) for x in bars.take()][:2] == [("QUIET", T - 1000, 90_000), ("QUIET", T, 100_000)]
    assert bars.late_prints == 0


def test_prints_without_any_right_still_move_the_symbols_clock(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0), at(LATE_MS + 1, 10.0, 1, 15), at(0, 9.0)])
    assert bars.late_prints == 1
    assert [(x.o, x.l) for x in bars.take()] == [(100_000, 90_000)]


# --- repeated prints


def test_a_repeated_print_counts_once(bars: TradeBars, at: Prints) -> None:
    one, other = at(0, 10.0), at(1, 11.0)
    bars.add_many([one, other, one, one._replace(t=T + 2)])
    assert [(x.c, x.v) for x in bars.take()] == [(110_000, 200.0)]
    assert bars.duplicates == 2
    bars.add(other)
    assert bars.take() == []


def test_prints_without_a_key_are_never_taken_for_repeated(bars: TradeBars, at: Prints) -> None:
    one = at(0, 10.0, key=None)
    bars.add_many([one, one])
    assert [x.v for x in bars.take()] == [200.0]
    assert bars.duplicates == 0


def test_the_same_key_of_another_symbol_is_another_print(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, key=5, sym="A"), at(0, key=5, sym="B")])
    assert len(bars.take()) == 2
    assert bars.duplicates == 0


@pytest.mark.parametrize("prints_between", [1, 500])
def test_a_print_is_remembered_for_a_quarter_of_an_hour(bars: TradeBars, at: Prints, prints_between: int) -> None:
    one, last = at(0), 15 * 60_000 - 1
    bars.add(one)
    bars.add_many([at(last * (i + 1) // prints_between) for i in range(prints_between)])
    bars.add(one)
    assert bars.duplicates == 1


def test_another_symbols_clock_does_not_make_it_forget(bars: TradeBars, at: Prints) -> None:
    one = at(0, sym="QUIET")
    bars.add_many([one, *(at(i * 60_000, sym="BUSY") for i in range(60)), one])
    assert bars.duplicates == 1


def test_a_key_of_yesterday_may_come_again(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, key=7), at(86_400_000, key=7)])
    assert len(bars.take()) == 2
    assert bars.duplicates == 0


# --- taking


def test_only_seconds_that_have_ended_are_taken(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0), at(1000)])
    assert bars.take(T + 999) == []
    assert [x.t for x in bars.take(T + 1000)] == [T]
    assert [x.t for x in bars.take(T + 1000)] == []
    assert [x.t for x in bars.take()] == [T + 1000]


def test_bars_are_taken_by_time(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(5000), at(1000, sym="A"), at(3000), at(0)])
    assert [x.t - T for x in bars.take()] == [0, 1000, 3000, 5000]


def test_a_second_is_taken_again_only_when_it_changed_and_then_whole(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0), at(500, 11.0)])
    bars.take()
    bars.add(at(250, 10.5, 0))  # no volume, between low and high, neither first nor last
    bars.add(at(250, 10.5, 7, 15))
    assert bars.take() == []
    bars.add(at(250, 10.5, 7))
    assert bars.take() == [bar(100_000, 110_000, 100_000, 110_000, 207.0, 21_735_000)]


def test_seconds_that_were_let_go_leave_memory(bars: TradeBars, at: Prints) -> None:
    for second in range(1000):
        bars.add_many([at(second * 1000), at(second * 1000 - 500)])
        bars.take(T + second * 1000 - 5000)
    assert len(bars._books["XXX"].seconds) <= 63


# --- conditions


def test_unknown_conditions_are_counted_across_a_refresh_of_the_table(bars: TradeBars, at: Prints) -> None:
    bars.add_many([at(0, 10.0, 1, 999), at(1, 11.0, 1, 999, 37)])
    assert [(x.o, x.c, x.v) for x in bars.take()] == [(100_000, 100_000, 2.0)]
    assert bars.unknown_conditions == 2
    shipped = ConditionTable.frozen()
    only_volume = Condition("new", Effect(high_low=False, open_close=False, volume=True))
    bars.refresh(ConditionTable({**shipped.conditions, 999: only_volume}, shipped.ignored))
    bars.add_many([at(2, 12.0, 1, 999), at(3, 13.0, 1, 998)])
    assert [(x.h, x.c, x.v) for x in bars.take()] == [(130_000, 130_000, 4.0)]
    assert bars.unknown_conditions == 3
