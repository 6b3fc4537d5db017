"""Candles of one session, against candles computed from the bars one by one."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from itertools import count

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.bar import Bar
from market.calendar import tape_hours
from market.holidays import is_trading_day
from market.sessions import NEW_YORK, day_of, trading_day
from market.timeframes import parse
from redis_functions.contract.schema import Schema
from redis_functions.read.lookback import read_lookback
from redis_functions.read.reader import Which
from redis_functions.read.session_candles import Session, read_candles_of
from tests.support import write_bars

MINUTE, HOUR = 60_000, 3_600_000
WEEKS = 30 * 24 * HOUR
KEPT = Schema({"1s": WEEKS, "1m": WEEKS, "5m": WEEKS, "1h": WEEKS})
END = 2**53
names = (f"X{number}" for number in count())


def ny(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).timestamp()) * 1000


def session_of(t: int) -> Session | None:
    day = day_of(t)
    hours = tape_hours(day)
    if not is_trading_day(day.date) or not hours.open <= t < hours.close:
        return None
    return "regular" if day.regular_open <= t < day.regular_close else "extended"


def plain(bars: Iterable[Bar], timeframe: str, session: Session) -> list[tuple[int, int | None, float]]:
    """(start, close, volume) of each candle, the slow way."""
    ms = parse(timeframe).ms
    found: dict[int, tuple[int, int | None, float]] = {}
    for bar in bars:
        if session_of(bar.t) != session:
            continue
        day = day_of(bar.t)
        base = day.regular_open if session == "regular" else 0
        start = day.start if timeframe == "1d" else bar.t - (bar.t - base) % ms
        found[start] = (start, bar.c, found.get(start, (0, 0, 0.0))[2] + bar.v)
    return list(found.values())


def bars_of(symbol: str, times: Iterable[int]) -> list[Bar]:
    return [
        Bar(symbol, t, 1_000_000 + i, 1_000_000 + i, 1_000_000 + i, 1_000_000 + i, i + 1.0, 1)
        for i, t in enumerate(times)
    ]


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(["2025-11-26", "2025-10-30", "2026-03-05", "2025-07-02"]),
    st.lists(st.integers(0, 6 * 24 * 60 - 1), min_size=1, max_size=80, unique=True).map(sorted),
    st.sampled_from(["1m", "5m", "20m", "30m", "1h", "90m", "4h", "12h", "1d"]),
    st.sampled_from(["regular", "extended"]),
    st.sampled_from([1, 2, 7, 5000]),
    st.integers(0, 6 * 24 * 60),
)
def test_candles_of_a_session_are_those_of_its_bars(
    redis: Redis, first: str, minutes: list[int], timeframe: str, session: Session, limit: int, begin: int
) -> None:
    """Over weekends, holidays, early closes and changes of the clock; a count means candles of the session."""
    bars = bars_of(next(names), [ny(first) + m * MINUTE for m in minutes])
    write_bars(redis, bars, KEPT)
    every = plain(bars, timeframe, session)
    for low, high in ((0, END), (ny(first) + begin * MINUTE, END), (0, ny(first) + begin * MINUTE)):
        expected = [row for row in every if low <= row[0] <= high]
        for oldest in (False, True):
            (got,) = read_candles_of(
                redis, [bars[0].sym], parse(timeframe), low, high, limit, session, which=Which(oldest=oldest)
            )
            rows = list(zip(got.t.tolist(), got.fields[3].tolist(), got.fields[4].tolist(), strict=True))
            assert rows == (expected[:limit] if oldest else expected[-limit:])
            assert got.more >= (len(expected) > limit)


@pytest.mark.parametrize(
    ("day", "starts"),
    [
        ("2025-10-10", ["09:30", "10:30", "11:30", "12:30", "13:30", "14:30", "15:30"]),
        ("2025-11-28", ["09:30", "10:30", "11:30", "12:30"]),  # closes at 13:00
    ],
)
def test_hours_begin_with_the_session(redis: Redis, day: str, starts: list[str]) -> None:
    begin = ny(f"{day}T04:00")
    write_bars(redis, bars_of("AAPL", range(begin, begin + 13 * HOUR, MINUTE)), KEPT)
    (got,) = read_candles_of(redis, ["AAPL"], parse("1h"), 0, END, 5000, "regular")
    assert [f"{datetime.fromtimestamp(t / 1000, NEW_YORK):%H:%M}" for t in got.t.tolist()] == starts
    (whole,) = read_candles_of(redis, ["AAPL"], parse("1d"), 0, END, 5000, "regular")
    assert got.fields[4].sum() == whole.fields[4].sum()


def test_earlier_candles_are_counted_in_the_session(redis: Redis) -> None:
    """The average of 20 candles at Monday's open reaches into Friday's session, not into Monday's night."""
    times = [ny(f"{day}T04:00") + m * MINUTE for day in ("2025-10-10", "2025-10-13") for m in range(16 * 60)]
    write_bars(redis, bars_of("AAPL", times), KEPT)
    monday = trading_day(date(2025, 10, 13))
    (found,) = read_lookback(
        redis, ["AAPL"], parse("1m"), (monday.regular_open, monday.regular_open), 10, 20, ("close",), session="regular"
    )
    friday = trading_day(date(2025, 10, 13) - timedelta(days=3))
    assert found.asked.t.tolist() == [monday.regular_open]
    assert found.earlier.t.tolist() == [friday.regular_close - n * MINUTE for n in range(20, 0, -1)]


def test_a_candle_at_the_end_of_the_range_reaches_into_the_next_trade_date(redis: Redis) -> None:
    """Twelve hours that start at 20:00, the end of one day's tape, have their first bar at 04:00 of the next."""
    begin = ny("2025-10-30T20:00")
    write_bars(redis, bars_of("NEXT", [ny("2025-10-31T04:00")]), KEPT)
    (got,) = read_candles_of(redis, ["NEXT"], parse("12h"), 0, begin, 10, "extended")
    assert got.t.tolist() == [begin]


def test_a_symbol_never_seen_has_none(redis: Redis) -> None:
    assert [len(c) for c in read_candles_of(redis, ["NONE"], parse("1h"), 0, END, 10, "regular")] == [0]
