from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from market.symbols import is_test_symbol
from simulator.market import Market, days_between
from simulator.names import MOST_SYMBOLS, symbols
from simulator.noise import cascade, hashed, value_noise
from simulator.prints import generate

#: A minute's start of a Wednesday, at night in New York.
T0 = 1_790_000_040
SECONDS = st.integers(1_600_000_000, 2_000_000_000)


def test_names_are_known_first_and_never_twice() -> None:
    names = symbols(MOST_SYMBOLS)
    assert {"AAPL", "MSFT", "NVDA", "BRK.B"} <= set(names[:100])
    assert len(set(names)) == MOST_SYMBOLS
    assert symbols(500) == names[:500]
    assert not any(map(is_test_symbol, names))  # they raise no alerts, and a planted spike has to
    with pytest.raises(ValueError, match="20000"):
        symbols(MOST_SYMBOLS + 1)


@given(SECONDS, st.integers(0, 2**63))
def test_noise_moves_little_in_five_seconds(t: int, seed: int) -> None:
    keys = hashed(np.uint64(seed), np.arange(20))
    later, now = (value_noise(keys, np.full(20, at)) for at in (t + 5, t))
    assert np.abs(later - now).max() < 27


@given(st.integers(0, 2**63), st.integers(0, 131_000))
def test_the_cascade_never_falls_and_ends_at_one(seed: int, t: int) -> None:
    keys = np.full(64, seed, np.uint64)
    come = cascade(keys, np.arange(t, t + 64))
    assert (np.diff(come) >= -1e-15).all()
    assert come[0] >= 0
    assert cascade(keys[:1], np.array([(1 << 17) - 1]))[0] == pytest.approx(1, abs=1e-3)


@settings(max_examples=15, deadline=None)
@given(SECONDS, st.integers(0, 2**40), st.integers(2, 40), st.data())
def test_any_second_can_be_asked_for_alone(t: int, seed: int, count: int, data: st.DataObject) -> None:
    """The market is a function: neither what was asked before nor how much is asked at once changes an answer."""
    rate = data.draw(st.floats(1, 2 * count))
    whole = generate(Market(count, rate, seed), np.arange(count), t - 30, t + 30)
    one = data.draw(st.integers(0, count - 1))
    alone = generate(Market(count, rate, seed), np.array([one]), t, t + 1)
    rows = np.flatnonzero((whole.sec == t) & (whole.who == one))
    assert rows.size == alone.sec.size
    for mine, theirs in zip(alone.final, whole.final, strict=True):
        assert mine.tolist() == theirs[rows].tolist()
    assert alone.av.tolist() == whole.av[rows].tolist()
    prints = np.flatnonzero(np.isin(whole.prints.cell, rows))
    for name in ("t", "q", "price", "size", "kind", "exchange", "late", "regular"):
        assert getattr(alone.prints, name).tolist() == getattr(whole.prints, name)[prints].tolist()


def test_another_seed_is_another_market() -> None:
    one, other = (generate(Market(10, 8, seed), np.arange(10), T0, T0 + 60) for seed in (1, 2))
    assert one.final.c.tolist() != other.final.c.tolist()


@pytest.mark.parametrize(("count", "rate", "seed"), [(100, 40.0, 1), (50, 200.0, 7), (1000, 150.0, 3), (3, 0.5, 1)])
def test_rate_gaps_and_plausibility(count: int, rate: float, seed: int) -> None:
    market = Market(count, rate, seed, spike_every=0)  # a spiking symbol trades more
    made = generate(market, np.arange(count), T0, T0 + 600)
    bars = np.flatnonzero(made.final.c >= 0)
    asked = min(rate, count)
    assert market.real_rate == pytest.approx(asked, rel=1e-6)
    assert bars.size / 600 == pytest.approx(asked, rel=0.1)
    longest = 10 if market.period == 8 else market.period + 2
    for who in range(count):
        at = made.sec[bars[made.who[bars] == who]]
        assert np.diff(np.concatenate([[T0 - 1], at, [T0 + 600]])).max() <= longest
    final = made.final
    assert (final.v[bars] >= 100).all()
    assert (final.l[bars] > 3_0000).all()
    assert (final.h[bars] < 1300_0000).all()
    vwap = final.n[bars] / final.v[bars]
    assert (vwap >= final.l[bars] - 50).all()
    assert (vwap <= final.h[bars] + 50).all()


def test_a_spike_every_minute_and_calm_otherwise() -> None:
    """What a 5-second velocity of closes sees: at least 0.8 % at each spike, relative to yesterday's close too."""
    count, minutes = 40, 60
    market = Market(count, 30, 11)
    made = generate(market, np.arange(count), T0 - 60, T0 + 60 * minutes)
    spikes = market.spikes.between(T0 - 300, T0 + 60 * minutes)
    assert [s.t // 60 for s in spikes] == list(range(T0 // 60 - 5, T0 // 60 + minutes))
    yesterday = days_between(T0, T0 + 1)[0].start // 1000 - 1
    for who in range(count):
        rows = np.flatnonzero((made.who == who) & (made.final.c >= 0))
        at = np.arange(T0, T0 + 60 * minutes)
        held = np.searchsorted(made.sec[rows], at, "right") - 1
        before = np.searchsorted(made.sec[rows], at - 5, "right") - 1
        close = made.final.c[rows].astype(float)
        moved = np.abs(close[held] - close[before])
        base = float(market.price(np.array([who]), np.array([yesterday]))[0]) * 10_000
        quiet = np.ones(at.size, bool)
        for spike in (s for s in spikes if s.who == who):
            during = (at >= spike.t) & (at <= spike.t + 7)
            quiet &= ~during
            if T0 <= spike.t < T0 + 60 * minutes - 3:
                reached = moved[during & (at <= spike.t + 2)].max()
                assert reached / base > 0.008
                assert reached / close[before].min() > 0.008
        assert (moved / close[before])[quiet].max() < 0.0035


def test_volume_adds_up_to_the_vendors_day_volume() -> None:
    """`av` is exactly the sum of the day's bars, though the market does not add them up."""
    market = Market(5, 3, 4)
    day = days_between(T0, T0 + 1)[0].start // 1000
    made = generate(market, np.arange(5), day - 100, day + 4000)
    for who in range(5):
        rows = np.flatnonzero((made.who == who) & (made.final.c >= 0) & (made.sec >= day))
        assert made.av[rows].tolist() == np.cumsum(made.final.v[rows]).tolist()
