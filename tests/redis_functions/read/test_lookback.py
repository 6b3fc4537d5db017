"""Candles with those before them, however they are read, against all candles read at once and cut."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from redis import Redis

from market.bar import Bar
from market.sessions import day_of
from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.read import lookback
from redis_functions.read.candles import Candles
from redis_functions.read.lookback import Lookback, read_lookback
from redis_functions.read.reader import ALL_FIELDS, read_candles
from tests.support import write_bars

T0 = 1_760_103_000_000  # Friday 2025-10-10 09:30 in New York
END = 2**53
NAMES = ("close", "volume")
symbols = (f"L{number}" for number in count())


def sparse(symbol: str, seed: int, rows: int = 400) -> list[Bar]:
    """Seconds with pauses, some of which have volume only."""
    rng = np.random.default_rng(seed)
    t = T0 + np.cumsum(rng.integers(1, 30, rows)) * 1000
    bars = []
    for at in t.tolist():
        price = int(rng.integers(900_000, 1_100_000))
        prices = (None,) * 4 if rng.random() < 0.2 else (price, price + 50, price - 50, price + 10)
        bars.append(Bar(symbol, at, *prices, float(rng.integers(1, 500)), price * 100))
    return bars


def read(
    redis: Redis, symbol: str, timeframe: str, span: tuple[int, int], limit: int, reach: int, **more: bool
) -> Lookback:
    return read_lookback(redis, [symbol], parse(timeframe), span, limit, reach, NAMES, **more)[0]


def same(got: Candles, expected: Candles, names: tuple[str, ...] = ALL_FIELDS) -> None:
    assert got.t.tolist() == expected.t.tolist()
    rows = [ALL_FIELDS.index(name) for name in names]
    np.testing.assert_array_equal(got.fields[rows], expected.fields[rows])


@pytest.mark.parametrize("timeframe", ["1s", "5s", "1m", "3m", "5m"])
@pytest.mark.parametrize("reach", [0, 1, 7, 60, 10_000])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_earlier_candles_are_those_before_the_first(redis: Redis, timeframe: str, reach: int, seed: int) -> None:
    symbol = next(symbols)
    bars = sparse(symbol, seed)
    write_bars(redis, bars)
    everything = read_candles(redis, [symbol], parse(timeframe), 0, END, 5_000)[0]
    last = bars[-1].t
    for span, limit in (
        ((last - 900_000, last), 5_000),  # all of the span: known before where it begins
        ((0, END), 5),  # the newest few
        ((last - 900_000, END), 3),
        ((0, END), 4_000),  # many
        ((T0 - 5_000, T0 - 1), 10),  # nothing
        ((0, 0), 10),
        ((last, T0), 10),  # ends before it begins
    ):
        got = read(redis, symbol, timeframe, span, limit, reach)
        inside = (everything.t >= span[0]) & (everything.t <= span[1])
        asked = Candles(everything.t[inside], everything.fields[:, inside])[-limit:]
        same(got.asked, asked)
        if len(asked) and reach:
            first = int(np.searchsorted(everything.t, asked.t[0]))
            same(got.earlier, everything[max(first - reach, 0) : first], NAMES)
        else:
            assert not len(got.earlier)


def test_where_the_first_page_is_not_enough_another_follows(redis: Redis) -> None:
    symbol = next(symbols)
    bars = [
        bar if i % 7 == 0 else bar._replace(o=None, h=None, l=None, c=None) for i, bar in enumerate(sparse(symbol, 3))
    ]
    write_bars(redis, bars)
    # One whose close alone was stored, as after a write that was cut: no candle, but a close among those that are counted.
    redis.execute_command("TS.ADD", keys.series(symbol, "1s", "close"), bars[-1].t + 1000, 5)
    everything = read_candles(redis, [symbol], parse("1s"), 0, END, 5_000)[0]
    got = read(redis, symbol, "1s", (0, END), 4, 20)
    same(got.asked, everything[-4:])
    same(got.earlier, everything[-24:-4], NAMES)


def test_what_is_not_needed_is_not_read(redis: Redis) -> None:
    symbol = next(symbols)
    write_bars(redis, sparse(symbol, 4))
    got = read(redis, symbol, "1s", (0, END), 5, 9)
    unread = [i for i, name in enumerate(ALL_FIELDS) if name not in NAMES]
    assert np.isnan(got.earlier.fields[unread]).all()
    assert len(got.earlier) == 9
    columns = got.inputs(NAMES)
    assert set(columns) == set(NAMES)
    assert not np.isnan(columns["close"]).any()


def test_several_symbols_have_earlier_candles_each(redis: Redis) -> None:
    one, two = next(symbols), next(symbols)
    write_bars(redis, sparse(one, 5) + sparse(two, 6, 50))
    both = read_lookback(redis, [one, "NONE", two], parse("1s"), (0, END), 5, 10, NAMES)
    assert [len(part.asked) for part in both] == [5, 0, 5]
    assert [len(part.earlier) for part in both] == [10, 0, 10]
    for symbol, part in ((one, both[0]), (two, both[2])):
        same(part.asked, read(redis, symbol, "1s", (0, END), 5, 10).asked)


@pytest.mark.parametrize("limit", [3, 5_000])
@pytest.mark.parametrize("timeframe", ["1m", "3m"])
def test_a_whole_session_reaches_before_its_start(redis: Redis, timeframe: str, limit: int) -> None:
    symbol = next(symbols)
    yesterday = day_of(T0).start - 3_600_000
    t = [yesterday, yesterday + 1000, *range(T0, T0 + 7_200_000, 60_000)]
    write_bars(redis, [Bar(symbol, at, 5, 5, 5, 5, 1, 5) for at in t])
    got = read(redis, symbol, timeframe, (T0 + 3_600_000, END), limit, 0, whole_session=True)
    columns = got.inputs(["session"])
    assert columns["session"][0] < columns["session"][-1]
    assert got.earlier.t[0] < day_of(T0).start <= got.earlier.t[1] == T0


def test_an_unknown_notional_is_not_a_number(redis: Redis) -> None:
    symbol = next(symbols)
    write_bars(redis, [Bar(symbol, T0, 5, 5, 5, 5, 2, 10), Bar(symbol, T0 + 1000, 5, 5, 5, 5, 2, -1)])
    notional = read(redis, symbol, "1s", (0, END), 5, 0).inputs(["notional"])["notional"]
    assert notional[0] == 10
    assert np.isnan(notional[1])


@pytest.mark.parametrize("day", ["2025-11-02", "2026-03-08", "2025-10-10"])
def test_the_clock_is_new_yorks_also_when_clocks_change(day: str) -> None:
    zone = ZoneInfo("America/New_York")
    for at in ("00:00", "01:30", "04:00", "09:30", "21:00", "23:59"):
        local = datetime.fromisoformat(f"{day}T{at}").replace(tzinfo=zone)
        t = np.array([int(local.timestamp()) * 1000], np.int64)
        nothing = np.zeros((6, 0))
        part = Lookback(Candles(np.empty(0, np.int64), nothing), Candles(t, np.zeros((6, 1))))
        clock = part.inputs(["clock"])["clock"]
        assert clock.tolist() == [(local.hour * 60 + local.minute) * 60_000]


def test_one_round_trip_is_enough_for_a_dashboard(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    symbol = next(symbols)
    write_bars(redis, sparse(symbol, 7))
    monkeypatch.setattr(lookback, "read_candles_of", None)  # would be the second one
    assert len(read(redis, symbol, "1m", (T0 + 1_800_000, T0 + 3_600_000), 5_000, 20).earlier) == 20
    assert len(read(redis, symbol, "1m", (0, END), 30, 20).earlier) == 20
