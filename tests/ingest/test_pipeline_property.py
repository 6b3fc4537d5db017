"""Whatever the order of arrival, the candles are the same: through the whole hot path and a real Redis."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis

from market.price import notional
from tests.ingest.harness import candles, feed

#: A quarter of an hour before an hour's end, so that every example may cross minutes, five minutes and the hour.
T = 1_760_104_800_000 - 600_000
MS = {"1m": 60_000, "5m": 300_000, "1h": 3_600_000}
QUIET = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]

Values = tuple[float, float, float, float, float, float | None]  # o h l c v vw


def event(ev: str, symbol: str, t: int, values: Values) -> dict[str, Any]:
    o, h, low, c, v, vw = values
    fields = {"ev": ev, "sym": symbol, "s": t, "o": o, "h": h, "l": low, "c": c, "v": v}
    return fields if vw is None else fields | {"vw": vw}


def rolled(bars: dict[int, Values], ms: int) -> dict[int, tuple[Any, ...]]:
    """What the candles of `ms` must be, by the definition: bars by start, in whole ticks."""
    spans: defaultdict[int, list[Values]] = defaultdict(list)
    for t in sorted(bars):
        spans[t - t % ms].append(bars[t])
    found = {}
    for start, inside in spans.items():
        volume = sum(b[4] for b in inside)
        known = all(b[5] is not None for b in inside if b[4])
        money = sum(notional(b[5] or 0, b[4]) for b in inside)
        found[start] = (
            inside[0][0], max(b[1] for b in inside), min(b[2] for b in inside), inside[-1][3], volume,
            round(money / volume / 10_000, 6) if volume and known else None,
        )  # fmt: skip
    return found


def assert_candles(redis: Redis, symbol: str, bars: dict[int, Values]) -> None:
    for timeframe, ms in MS.items():
        assert candles(redis, symbol, timeframe) == rolled(bars, ms), timeframe


def batches(events: list[dict[str, Any]], sizes: list[int]) -> Iterable[list[dict[str, Any]]]:
    at, turn = 0, 0
    while at < len(events):
        size = sizes[turn % len(sizes)]
        yield events[at : at + size]
        at, turn = at + size, turn + 1


@st.composite
def values(draw: st.DrawFn) -> Values:
    low, spread = draw(st.integers(1, 5_000)), draw(st.integers(0, 200))
    o, c = (low + draw(st.integers(0, spread)) for _ in range(2))
    volume = draw(st.integers(0, 500) | st.sampled_from([0.5, 12.25]))
    vw = draw(st.none() | st.integers(low, low + spread).map(lambda x: x / 100))
    return o / 100, (low + spread) / 100, low / 100, c / 100, volume, vw


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[tuple[str, int, Values]], dict[str, dict[int, Values]]]:
    """Second bars as they arrive, restated, late and duplicated, each at most 15 minutes behind; and the clean bars."""
    places = st.tuples(st.sampled_from(["AAPL", "BRK.B"]), st.integers(0, 899), st.integers(0, 899_000))
    arrivals = draw(st.lists(places, min_size=1, max_size=60))
    if draw(st.booleans()):  # the same few seconds again and again
        arrivals = [(symbol, second % 7 * 61, late) for symbol, second, late in arrivals]
    arrivals.sort(key=lambda x: x[1] * 1000 + x[2])
    stream = [(symbol, T + second * 1000, draw(values())) for symbol, second, _ in arrivals]
    clean: dict[str, dict[int, Values]] = {}
    for symbol, t, bar in stream:
        clean.setdefault(symbol, {})[t] = bar
    return stream, clean


sizes = st.lists(st.integers(1, 25), min_size=1, max_size=4)


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(arrivals(), sizes)
def test_restated_late_and_duplicated_second_bars_end_in_the_clean_candles(
    redis: Redis,
    redis_url: str,
    stream: tuple[list[tuple[str, int, Values]], dict[str, dict[int, Values]]],
    cut: list[int],
) -> None:
    redis.flushall()
    arriving, clean = stream
    path = feed(redis_url, batches([event("A", *one) for one in arriving], cut))
    for symbol, bars in clean.items():
        assert_candles(redis, symbol, bars)
        assert candles(redis, symbol, "1s") == rolled(bars, 1000)
    assert path.pipeline.tape.counts.restated == len(arriving) - sum(map(len, clean.values()))
    assert path.pipeline.tape.counts.rejected == {}


@settings(max_examples=50, deadline=None, suppress_health_check=QUIET)
@given(arrivals(), sizes)
def test_minute_bars_alone_give_the_candles_and_no_second(
    redis: Redis,
    redis_url: str,
    stream: tuple[list[tuple[str, int, Values]], dict[str, dict[int, Values]]],
    cut: list[int],
) -> None:
    redis.flushall()
    arriving, _ = stream
    minutes = [(symbol, t - t % 60_000, bar) for symbol, t, bar in arriving]
    clean: defaultdict[str, dict[int, Values]] = defaultdict(dict)
    for symbol, t, bar in minutes:
        clean[symbol][t] = bar
    path = feed(redis_url, batches([event("AM", *one) for one in minutes], cut), minutes_subscribed=True)
    for symbol, bars in clean.items():
        assert_candles(redis, symbol, bars)
        for timeframe in ("1s", "5s", "15s", "30s"):
            assert candles(redis, symbol, timeframe) == {}
    assert path.pipeline.minute_bars.filled == sum(map(len, clean.values()))


@st.composite
def both_channels(draw: st.DrawFn) -> tuple[list[tuple[str, str, int, Values]], dict[int, Values], dict[int, Values]]:
    """One symbol on `A` and `AM`, in any order: (arrivals, clean seconds, clean minutes)."""
    second = st.tuples(st.just("A"), st.integers(0, 14), st.integers(0, 59))
    minute = st.tuples(st.just("AM"), st.integers(0, 14), st.just(0))
    arrivals = draw(st.lists(st.one_of(second, minute), min_size=1, max_size=40))
    if draw(st.booleans()):  # few minutes, so that both meet often
        arrivals = [(ev, minute % 3, second) for ev, minute, second in arrivals]
    stream = [(ev, "F", T + m * 60_000 + s * 1000, draw(values())) for ev, m, s in arrivals]
    seconds = {t: bar for ev, _, t, bar in stream if ev == "A"}
    minutes = {t: bar for ev, _, t, bar in stream if ev == "AM"}
    return stream, seconds, minutes


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(both_channels(), sizes, st.booleans())
def test_minute_bars_fill_only_minutes_without_second_bars_whichever_comes_first(
    redis: Redis,
    redis_url: str,
    stream: tuple[list[tuple[str, str, int, Values]], dict[int, Values], dict[int, Values]],
    cut: list[int],
    known: bool,
) -> None:
    redis.flushall()
    arriving, seconds, minutes = stream
    feed(redis_url, batches([event(*one) for one in arriving], cut), minutes_subscribed=known)
    with_seconds = {t - t % 60_000 for t in seconds}
    assert_candles(redis, "F", seconds | {t: b for t, b in minutes.items() if t not in with_seconds})
    assert candles(redis, "F", "1s") == rolled(seconds, 1000)
    assert candles(redis, "F", "5s") == rolled(seconds, 5000)


# --- trades

#: What a print with these conditions may set in the regular session: (high and low, open and close, volume).
CONDITIONS: dict[tuple[int, ...], tuple[bool, bool, bool]] = {
    (): (True, True, True),
    (14, 41): (True, True, True),
    (37,): (False, False, True),
    (32,): (True, False, True),
    (16,): (False, False, False),
}
Print = tuple[int, int, float, int, tuple[int, ...]]  # t, q, price, size, conditions


@st.composite
def prints(draw: st.DrawFn) -> list[Print]:
    """Prints of one symbol as they arrive: each comes at most four minutes behind the newest."""
    drawn = draw(
        st.lists(
            st.tuples(
                st.integers(0, 300_000) | st.integers(0, 4).map(lambda x: x * 61_500),
                st.sampled_from([0, 0, 0, 5_000, 59_000, 240_000]),
                st.integers(100, 200), st.integers(1, 50), st.sampled_from(sorted(CONDITIONS)),
            ),
            min_size=1, max_size=40,
        )
    )  # fmt: skip
    arriving = sorted(enumerate(drawn), key=lambda x: x[1][0] + x[1][1])
    return [(T + ms, q + 1, price / 10, size, conditions) for q, (ms, _, price, size, conditions) in arriving]


def built(arriving: list[Print], ms: int) -> dict[int, tuple[Any, ...]]:
    """The candles of the prints by the rules of the tape; a late print (60 s) sets no open and no close."""
    newest, placed = 0, []
    for one in arriving:
        newest = max(newest, one[0])
        placed.append((one, newest - one[0] <= 60_000))
    spans: defaultdict[int, list[tuple[Print, bool]]] = defaultdict(list)
    for one, on_time in sorted(placed, key=lambda x: x[0][:2]):
        spans[one[0] - one[0] % ms].append((one, on_time))
    found = {}
    for start, inside in spans.items():
        highs = [p for (_, _, p, _, c), _ in inside if CONDITIONS[c][0]]
        places = [p for (_, _, p, _, c), on_time in inside if CONDITIONS[c][1] and on_time]
        volume = sum(s for (_, _, _, s, c), _ in inside if CONDITIONS[c][2])
        money = sum(notional(p, s) for (_, _, p, s, c), _ in inside if CONDITIONS[c][2])
        if places:
            vw = round(money / volume / 10_000, 6) if volume else None
            found[start] = (places[0], max(highs), min(highs), places[-1], volume, vw)
    return found


@settings(max_examples=100, deadline=None, suppress_health_check=QUIET)
@given(prints(), sizes, st.booleans())
def test_trades_alone_give_the_candles_of_the_tapes_rules_however_late_they_come(
    redis: Redis, redis_url: str, arriving: list[Print], cut: list[int], repeated: bool
) -> None:
    redis.flushall()
    events = [
        {"ev": "T", "sym": "MSFT", "i": str(q), "x": 4, "z": 3, "p": price, "s": size, "c": list(c), "t": t, "q": q}
        for t, q, price, size, c in arriving
    ]
    if repeated:
        events = [e for e in events for _ in range(2)]
    path = feed(redis_url, batches(events, cut))
    for timeframe, ms in MS.items():
        assert candles(redis, "MSFT", timeframe) == built(arriving, ms), timeframe
    assert path.pipeline.trade_bars.duplicates == (len(arriving) if repeated else 0)
