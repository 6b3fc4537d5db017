"""In any order of arrival, with any duplicates, the bars equal the definition."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.bars.trade_bars import LATE_MS, LatePrint, TradeBars
from market.bar import Bar, Trade
from market.conditions import ConditionTable

# A minute before the open of 2018-01-02, so that both sessions are met.
START = 1_514_903_340_000
REGULAR_OPEN = START + 60_000
ONE = Decimal(1)

prints = st.tuples(
    # A few seconds with a few times each, close to the limits of lateness, so that prints collide.
    st.builds(
        lambda second, ms: second * 1000 + ms,
        st.sampled_from([0, 1, 59, 60, 61, 62, 120, 121, 180]),
        st.sampled_from([0, 1, 500, 998, 999]),
    ),
    st.sampled_from(["XXX", "BRK.B"]),
    st.one_of(st.integers(99_990, 100_010).map(lambda n: n / 10_000), st.integers(0, 10**7).map(lambda n: n / 10**6)),
    st.one_of(st.integers(0, 500).map(float), st.integers(1, 3_000_000).map(lambda n: n / 10**6)),
    st.sampled_from([(), (), (14,), (37,), (12,), (12, 37), (10,), (38,), (15,), (13,), (32, 14)]),
)


@st.composite
def tapes(draw: st.DrawFn, latest: int) -> list[Trade]:
    """Trades in an order of arrival: each up to `latest` ms after its time, some of them again later."""
    delays = st.one_of(st.integers(0, latest), st.sampled_from([0, LATE_MS - 1, LATE_MS, min(LATE_MS + 1, latest)]))
    made = [
        Trade(sym, START + t, p, s, c, q, key=q + 10**6)
        for q, (t, sym, p, s, c) in enumerate(draw(st.lists(prints, max_size=40)))
    ]
    arrivals = []
    for trade in made:
        at = trade.t + draw(delays)
        arrivals.append((at, trade))
        if draw(st.integers(0, 9)) == 0:
            arrivals.append((at + draw(st.integers(0, 300_000)), trade))
    return [trade for _, trade in sorted(arrivals, key=lambda arrival: arrival[0])]


def defined(arrivals: Iterable[Trade]) -> dict[tuple[str, int], Bar]:
    """The final bars by definition: unlike prints grouped, sorted by (t, q), open and close only from those on time."""
    table, newest, seen = ConditionTable.frozen(), defaultdict[str, int](int), set[tuple[str, int | None]]()
    groups: defaultdict[tuple[str, int], list[tuple[Trade, bool]]] = defaultdict(list)
    for trade in arrivals:
        newest[trade.sym] = max(newest[trade.sym], trade.t)
        if (trade.sym, trade.key) not in seen:
            seen.add((trade.sym, trade.key))
            on_time = newest[trade.sym] - trade.t <= LATE_MS
            groups[trade.sym, trade.t // 1000 * 1000].append((trade, on_time))
    bars = {}
    for (sym, start), group in groups.items():
        ranged, placed, volume, money = [], [], Decimal(0), 0
        counted = False
        for trade, on_time in sorted(group, key=lambda pair: (pair[0].t, pair[0].q)):
            effect = table.effect(trade.c, trade.t >= REGULAR_OPEN)
            price, size = Decimal(str(trade.p)), Decimal(str(trade.s))
            ranged += [whole(price)] if effect.high_low else []
            placed += [whole(price)] if effect.open_close and on_time else []
            volume += size if effect.volume else 0
            money += whole(price * size) if effect.volume else 0
            counted |= any(effect)
        if counted:
            o, c = (placed[0], placed[-1]) if placed else (None, None)
            high, low = max(ranged, default=None), min(ranged, default=None)
            bars[sym, start] = Bar(sym, start, o, high, low, c, float(volume), money)
    return bars


def whole(amount: Decimal) -> int:
    return int((amount * 10_000).quantize(ONE, ROUND_HALF_EVEN))


def merged(bar: Bar | None, late: LatePrint) -> Bar:
    """Merges a late print into the stored bar of its second."""
    old = bar or Bar(late.sym, late.t_second, None, None, None, None, 0.0, 0)
    high = [price for price in (old.h, late.price_ticks) if price is not None]
    low = [price for price in (old.l, late.price_ticks) if price is not None]
    volume = round(old.v + late.size, 6)
    return old._replace(h=max(high, default=None), l=min(low, default=None), v=volume, n=(old.n or 0) + late.notional)


def stored(arrivals: list[Trade], pauses: list[int]) -> tuple[dict[tuple[str, int], Bar], TradeBars]:
    """The final content of a store of upserts and merges, with `take` called at these positions (and times)."""
    bars, store = TradeBars(), dict[tuple[str, int], Bar]()

    def take(before: int | None) -> None:
        store.update(((bar.sym, bar.t), bar) for bar in bars.take(before))
        for late in bars.take_late():
            place = late.sym, late.t_second
            store[place] = merged(store.get(place), late)

    for i, trade in enumerate(arrivals):
        bars.add(trade)
        if i in pauses:
            take(max(x.t for x in arrivals[: i + 1]) - 2000 * (i % 3))
    take(None)
    return store, bars


@settings(max_examples=400)
@given(tapes(latest=LATE_MS), st.lists(st.integers(0, 40), max_size=8))
def test_any_order_within_a_minute_gives_the_bars_of_the_sorted_tape(arrivals: list[Trade], pauses: list[int]) -> None:
    store, bars = stored(arrivals, pauses)
    in_order = sorted(set(arrivals), key=lambda trade: (trade.t, trade.q))
    assert store == stored(in_order, [])[0]
    assert store == defined(in_order)
    assert bars.late_prints == 0
    assert bars.duplicates == len(arrivals) - len(in_order)


@settings(max_examples=400)
@given(tapes(latest=600_000), st.lists(st.integers(0, 40), max_size=8))
def test_later_prints_move_all_but_open_and_close(arrivals: list[Trade], pauses: list[int]) -> None:
    store, bars = stored(arrivals, pauses)
    expected = defined(arrivals)
    assert without_empty(store) == without_empty(expected)
    assert bars.duplicates == len(arrivals) - len(set(arrivals))


def without_empty(bars: dict[tuple[str, int], Bar]) -> dict[tuple[str, int], Bar]:
    """A second with only prints of size 0 may or may not have a bar: late ones are dropped."""
    return {place: bar for place, bar in bars.items() if bar[2:8] != (None, None, None, None, 0.0, 0)}
