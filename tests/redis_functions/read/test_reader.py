"""Candles as they are read, against candles computed from the bars one by one."""

from __future__ import annotations

from datetime import datetime
from itertools import count
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import Bar
from market.price import NO_NOTIONAL
from market.timeframes import parse
from redis_functions.contract import keys
from redis_functions.contract.schema import MINUTE_MARK_MS, Schema
from redis_functions.read import reader
from redis_functions.read.candles import Candles
from redis_functions.read.reader import Which, day_starts, read_candles, read_closes
from tests.redis_functions.read.plain_candles import Candle, plain_candles, start_of
from tests.support import write_bars

T0 = 1_760_103_000_000  # 2025-10-10 09:30 in New York
HOUR = 3_600_000
END = 2**53
names = (f"S{number}" for number in count())


def as_plain(candles: Candles) -> list[Candle]:
    columns = zip(candles.t.tolist(), *candles.fields.tolist(), strict=True)
    return [Candle(t, o, h, low, c, v, n if n >= 0 else None) for t, o, h, low, c, v, n in columns]


def read(redis: Redis, symbol: str, timeframe: str, start: int = 0, end: int = END, limit: int = 5000) -> list[Candle]:
    return as_plain(read_candles(redis, [symbol], parse(timeframe), start, end, limit)[0])


def bar(symbol: str, t: int, price: int | None = 1_000_000, v: float = 100, n: int | None = None) -> Bar:
    notional = NO_NOTIONAL if n is None else n
    return Bar(symbol, t, price, price, price, price, v, notional)


@st.composite
def sparse_bars(draw: st.DrawFn) -> list[Bar]:
    """Bars of up to an hour and a half: gaps, seconds with volume alone, minute bars in minutes without seconds."""
    symbol, bars, t = next(names), [], T0 - draw(st.integers(0, 900)) * 1000
    for _ in range(draw(st.integers(1, 50))):
        kind = draw(st.sampled_from(["full", "full", "full", "volume", "minute"]))
        t += draw(st.sampled_from([1, 1, 2, 7, 61, 400])) * 1000
        price = draw(st.integers(10_000, 2_000_000))
        volume = draw(st.sampled_from([0, 1, 100, 12.5]))
        notional = draw(st.sampled_from([int(price * volume), int(price * volume), NO_NOTIONAL]))
        if kind == "volume":
            bars.append(Bar(symbol, t, None, None, None, None, volume, notional))
            continue
        if kind == "minute":
            t = t // 60_000 * 60_000 + 60_000
        mark = MINUTE_MARK_MS if kind == "minute" else 0
        spread = draw(st.integers(0, 500))
        bars.append(Bar(symbol, t + mark, price, price + spread, price - spread, price - spread // 2, volume, notional))
        if kind == "minute":
            t += 60_000
    return bars


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sparse_bars(),
    st.sampled_from(["1s", "5s", "30s", "90s", "1m", "3m", "5m", "15m", "1h", "4h", "1d"]),
    st.integers(-600, 4000),
    st.integers(0, 6000),
    st.sampled_from([1, 2, 3, 10, 5000]),
)
def test_candles_are_those_of_the_bars(
    redis: Redis, bars: list[Bar], timeframe: str, begin: int, length: int, limit: int
) -> None:
    write_bars(redis, bars)
    symbol, start = bars[0].sym, T0 + begin * 1000
    for low, high in ((0, END), (start, start + length * 1000), (start, END), (0, start)):
        assert read(redis, symbol, timeframe, low, high, limit) == plain_candles(bars, timeframe, low, high, limit)
        every = plain_candles(bars, timeframe, low, high, 5000)
        (oldest,) = read_candles(redis, [symbol], parse(timeframe), low, high, limit, which=Which(oldest=True))
        assert as_plain(oldest) == every[:limit]
        (newest,) = read_candles(redis, [symbol], parse(timeframe), low, high, limit)
        # That there is more may turn out to be volume without a price, never the other way round.
        assert oldest.more >= (len(every) > limit)
        assert newest.more >= (len(every) > limit)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from([(2025, 11, 1), (2026, 3, 7), (2025, 7, 3)]),
    st.lists(st.integers(0, 4 * 24 * 60), min_size=1, max_size=60),
    st.integers(0, 96),
    st.sampled_from([1, 2, 5000]),
)
def test_days_begin_at_new_yorks_midnight(
    redis: Redis, day: tuple[int, int, int], minutes: list[int], begin: int, limit: int
) -> None:
    """Also the day of 25 hours and that of 23."""
    first = int(datetime(*day, tzinfo=ZoneInfo("America/New_York")).timestamp()) * 1000
    symbol = next(names)
    bars = [bar(symbol, first + m * 60_000, 10_000 + m, m + 1.0, m) for m in sorted(set(minutes))]
    week = 7 * 24 * HOUR
    write_bars(redis, bars, Schema({"1s": week, "1m": week, "5m": week, "1h": week}))
    start = first + begin * HOUR
    for low, high in ((0, END), (start, END), (0, start), (start, start + 24 * HOUR)):
        for timeframe in ("1d", "4h"):
            assert read(redis, symbol, timeframe, low, high, limit) == plain_candles(bars, timeframe, low, high, limit)


def test_a_candle_is_whole_though_the_range_ends_inside_it(redis: Redis) -> None:
    write_bars(redis, [bar("AAPL", T0 + s * 1000, 1_000_000 + s, 1) for s in range(600)])
    got = read(redis, "AAPL", "3m", T0, T0)
    assert [(c.t, c.v, c.c) for c in got] == [(T0, 180, 1_000_179)]


def test_a_candle_that_began_before_the_range_is_left_out(redis: Redis) -> None:
    write_bars(redis, [bar("AAPL", T0 + s * 1000) for s in range(600)])
    assert [c.t for c in read(redis, "AAPL", "1m", T0 + 1, T0 + 120_000)] == [T0 + 60_000, T0 + 120_000]
    assert [c.t for c in read(redis, "AAPL", "3m", T0 + 1, T0 + 360_000)] == [T0 + 180_000, T0 + 360_000]


def test_a_candle_whose_beginning_the_store_has_dropped_is_left_out(redis: Redis) -> None:
    """A 30-second candle is never answered with 10 of its seconds missing."""
    bars = [bar("AAPL", T0 + s * 1000, 1_000_000, 1) for s in range(2 * 3600 + 100)]
    write_bars(redis, bars)
    oldest = read(redis, "AAPL", "30s")[0]
    kept = T0 + 99_000
    assert oldest.t == start_of(kept, "30s") + 30_000
    assert oldest.v == 30


def test_a_symbol_of_second_bars_before_many_minute_bars(redis: Redis) -> None:
    """The newest seconds are found although hours of marks lie after them."""
    bars = [bar("AAPL", T0 + s * 1000) for s in range(5)]
    bars += [bar("AAPL", T0 + m * 60_000 + MINUTE_MARK_MS) for m in range(1, 110)]
    write_bars(redis, bars)
    assert [c.t for c in read(redis, "AAPL", "1s", limit=2)] == [T0 + 3000, T0 + 4000]
    closes = read_closes(redis, ["AAPL"], 0, END, 2)[0]
    assert closes.t.tolist()[-2:] == [T0 + 3000, T0 + 4000]


def test_many_volume_only_seconds_after_the_last_price(redis: Redis) -> None:
    bars = [bar("AAPL", T0, v=1), *(bar("AAPL", T0 + s * 1000, None, v=1) for s in range(1, 400))]
    write_bars(redis, bars)
    assert read(redis, "AAPL", "1s", limit=1) == plain_candles(bars, "1s", 0, END, 1)
    assert read(redis, "AAPL", "1h", limit=1)[0].v == 400


def test_a_lost_field_is_no_candle_and_shifts_none(redis: Redis) -> None:
    """A sample of one field that is missing must not make the rows of others slide."""
    write_bars(redis, [bar("AAPL", T0 + m * 60_000, 1_000_000 + m) for m in range(5)])
    redis.execute_command("TS.DEL", keys.series("AAPL", "1m", "high"), T0 + 60_000, T0 + 60_000)
    got = read(redis, "AAPL", "1m")
    assert [c.t for c in got] == [T0 + m * 60_000 for m in (0, 2, 3, 4)]
    assert all(c.o == c.h == c.l == c.c for c in got)


def test_seconds_in_which_only_volume_traded_are_there_on_request(redis: Redis) -> None:
    write_bars(redis, [bar("AAPL", T0, v=1), bar("AAPL", T0 + 1000, None, v=2), bar("AAPL", T0 + 2000, v=4)])
    (found,) = read_candles(redis, ["AAPL"], parse("1s"), 0, END, 10, which=Which(unpriced=True))
    assert found.fields[4].tolist() == [1, 2, 4]
    assert np.isnan(found.fields[:4, 1]).all()


def test_several_symbols_at_once_and_one_never_seen(redis: Redis) -> None:
    write_bars(redis, [bar(s, T0 + k * 1000, v=k) for s in ("AAA", "BBB") for k in range(5)])
    a, none, b = read_candles(redis, ["AAA", "NONE", "BBB"], parse("1s"), 0, END, 3)
    assert as_plain(a) == as_plain(b)
    assert len(a) == 3
    assert len(none) == 0


def test_nothing_is_asked_of_times_that_are_none(redis: Redis) -> None:
    write_bars(redis, [bar("AAPL", T0)])
    assert read(redis, "AAPL", "1d", END - 1, END) == []
    assert read(redis, "AAPL", "1m", 5, 4) == []


def test_what_one_query_reads_is_bounded(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    """With long retentions a day of seconds would be read for each candle: fewer candles come instead, all whole."""
    monkeypatch.setattr(reader, "MAX_SOURCE_ROWS", 40)
    write_bars(redis, [bar("AAPL", T0 + s * 1000, v=1) for s in range(200)])
    got = read(redis, "AAPL", "15s")
    assert [c.t for c in got] == [T0 + 165_000, T0 + 180_000, T0 + 195_000]
    assert [c.v for c in got] == [15, 15, 5]


def test_day_starts_steps_over_years() -> None:
    times = np.array([0, T0, T0 + 1, T0 + 24 * HOUR])
    starts = day_starts(times).tolist()
    assert starts == [start_of(int(t), "1d") for t in times]


@pytest.mark.parametrize(
    ("field", "value"),
    [("close", 1e300), ("high", 1e12), ("low", 0), ("open", -5), ("volume", 1e15), ("volume", -1), ("notional", 2**53)],
)
def test_what_others_wrote_into_a_series_and_cannot_be_is_unknown(redis: Redis, field: str, value: float) -> None:
    symbol = next(names)
    write_bars(redis, [bar(symbol, T0, n=100), bar(symbol, T0 + 1000, n=100)])
    redis.execute_command("TS.ADD", keys.series(symbol, "1s", field), T0, value, "ON_DUPLICATE", "LAST")
    which = Which(unpriced=True)
    (found,) = read_candles(redis, [symbol], parse("1s"), T0, END, 10, which=which)
    unknown = np.isnan(found.fields)
    assert found.t.tolist() == [T0, T0 + 1000]
    assert [name for name, known in zip(reader.ALL_FIELDS, ~unknown[:, 0], strict=True) if not known] == [field]
    assert not unknown[:, 1].any()


def test_a_notional_that_marks_a_bar_without_vwap_is_no_mistake(redis: Redis) -> None:
    symbol = next(names)
    write_bars(redis, [bar(symbol, T0, n=NO_NOTIONAL)])
    assert [candle.n for candle in read(redis, symbol, "1s")] == [None]
