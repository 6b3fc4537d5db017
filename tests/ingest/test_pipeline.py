"""The hot path: what each channel does to the candles, and what raises an alert."""

from __future__ import annotations

import asyncio
import json
import math
from typing import Any

import pytest
from redis import Redis

from ingest.pipeline import SLICE, Pipeline, parts
from ingest.velocity_rule import VelocityConfig
from market.sessions import day_of
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from tests.fake_vendor import second_bar
from tests.ingest.harness import candles, feed, running
from vendor.interface import Decoded
from vendor.massive.decode import decode

T = 1_760_104_800_000  # 10:00 in New York, a Friday
MINUTE = 60_000


def minute_bar(symbol: str, t: int, close: float = 100.0, volume: float = 60, **more: Any) -> dict[str, Any]:
    return second_bar(symbol, t, close, volume, **{"ev": "AM", "e": t + MINUTE, **more})


def trade(symbol: str, t: int, price: float, size: int, q: int, *conditions: int) -> dict[str, Any]:
    return {
        "ev": "T",
        "sym": symbol,
        "i": str(q),
        "x": 4,
        "z": 3,
        "p": price,
        "s": size,
        "c": list(conditions),
        "t": t,
        "q": q,
    }


# --- second bars and minute bars


def test_a_second_bar_that_comes_after_the_fill_makes_it_go(redis: Redis, redis_url: str) -> None:
    path = feed(redis_url, [[minute_bar("F", T, 105.0, 60)], [second_bar("F", T + 59_000, 101.0, 7)]])
    assert candles(redis, "F", "1m") == {T: (101.0, 101.0, 101.0, 101.0, 7, 101.0)}
    assert candles(redis, "F", "1h")[T][4] == 7
    assert candles(redis, "F", "1s").keys() == {T + 59_000}
    assert path.pipeline.minute_bars.filled == 1


def test_a_fill_in_the_newest_minute_goes_without_harm_to_the_server(redis: Redis, redis_url: str) -> None:
    minutes = [[minute_bar("F", T + n * MINUTE)] for n in range(5)]
    feed(redis_url, [*minutes, [second_bar("F", T + 4 * MINUTE, 101.0, 7)]])
    assert redis.ping()
    assert candles(redis, "F", "1m")[T + 4 * MINUTE] == (101.0, 101.0, 101.0, 101.0, 7, 101.0)
    assert candles(redis, "F", "5m")[T][4] == 247


def test_seconds_without_prices_leave_the_prices_to_the_minute_bar(redis: Redis, redis_url: str) -> None:
    minutes = [[minute_bar("F", T + n * MINUTE, 105.0, 60)] for n in range(5)]
    at = T + 4 * MINUTE
    frames = [*minutes, [trade("F", at, 104.0, 9, 1, 37)]]
    feed(redis_url, frames)
    assert candles(redis, "F", "1m")[at] == (105.0, 105.0, 105.0, 105.0, 9, 104.0)
    redis.flushall()
    feed(redis_url, [*frames, [trade("F", at + 5_000, 103.0, 1, 2)]])
    assert candles(redis, "F", "1m")[at] == (103.0, 103.0, 103.0, 103.0, 10, 103.9)


def test_a_minute_bar_after_its_seconds_is_compared_and_left_out(redis: Redis, redis_url: str) -> None:
    seconds = [second_bar("F", T + s * 1000, 100 + s, 10) for s in range(3)]
    same = minute_bar("F", T, 100.0, 30, h=102.0, l=100.0, c=102.0)
    other = minute_bar("F", T + MINUTE, 100.0, 31)
    path = feed(redis_url, [seconds, [second_bar("F", T + MINUTE, 100.0, 30)], [same, other]])
    assert candles(redis, "F", "1m")[T][:5] == (100.0, 102.0, 100.0, 102.0, 30)
    assert candles(redis, "F", "1m")[T + MINUTE][4] == 30
    minutes = path.pipeline.minute_bars
    assert (minutes.filled, minutes.differ) == (0, 1)


def test_where_seconds_flow_a_minute_bar_waits_until_the_last_of_them_must_have_come(
    redis: Redis, redis_url: str
) -> None:
    async def work() -> None:
        async with running(redis_url) as path:
            await path.frame(second_bar("F", T - 1000))
            await path.frame(minute_bar("F", T))
            await path.frame(second_bar("F", T + MINUTE + 4_000))
            await path.writer.flushed()
            assert T not in candles(redis, "F", "1m")
            await path.frame(second_bar("F", T + MINUTE + 5_000))
            await path.writer.flushed()
            assert candles(redis, "F", "1m")[T][4] == 60

    asyncio.run(work())


def test_a_minute_bar_told_again_replaces_its_fill(redis: Redis, redis_url: str) -> None:
    path = feed(redis_url, [[minute_bar("F", T, 100.0, 60)], [minute_bar("F", T, 101.0, 61)]], minutes_subscribed=True)
    assert candles(redis, "F", "5m") == {T: (101.0, 101.0, 101.0, 101.0, 61, 101.0)}
    assert path.pipeline.minute_bars.filled == 1


def test_a_minute_bar_of_the_future_disturbs_nothing(redis: Redis, redis_url: str) -> None:
    path = feed(
        redis_url,
        [[minute_bar("F", T + 16 * MINUTE)], [second_bar("F", T)], [second_bar("F", T)]],
        now_ms=lambda: T + 2_000,
    )
    assert path.pipeline.tape.counts.rejected == {"future": 1}
    assert path.pipeline.tape.counts.restated == 1
    assert candles(redis, "F", "1h").keys() == {T}


def test_volume_zero_is_kept_and_has_no_vwap(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[second_bar("VIX", T, 15.0, 0)], [second_bar("VIX", T + MINUTE, 16.0, 0)]])
    assert candles(redis, "VIX", "1s")[T] == (15.0, 15.0, 15.0, 15.0, 0, None)
    assert candles(redis, "VIX", "1h") == {T: (15.0, 16.0, 15.0, 16.0, 0, None)}


def test_a_source_without_vwap_leaves_it_null_in_every_larger_candle(redis: Redis, redis_url: str) -> None:
    without = {k: v for k, v in minute_bar("F", T).items() if k != "vw"}
    feed(redis_url, [[without], [second_bar("F", T + MINUTE)], [second_bar("F", T + 5 * MINUTE)]])
    assert [c[5] for c in candles(redis, "F", "1m").values()] == [None, 100.0, 100.0]
    assert [c[5] for c in candles(redis, "F", "5m").values()] == [None, 100.0]
    assert candles(redis, "F", "1h")[T][4:] == (80, None)


# --- after a restart, when the store knows more than the process


def test_a_minute_bar_does_not_fill_over_seconds_of_an_earlier_run(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[second_bar("F", T + 5_000, 100.0, 10), second_bar("F", T + 3 * MINUTE)]])

    async def again() -> None:
        async with running(redis_url, minutes_subscribed=True) as path:
            path.pipeline.tape.restore("F", T + 3 * MINUTE, 100.0)
            await path.frame(minute_bar("F", T, 200.0), minute_bar("F", T + MINUTE, 300.0, 7))

    asyncio.run(again())
    assert candles(redis, "F", "1m")[T][4] == 10
    assert candles(redis, "F", "1m")[T + MINUTE] == (300.0, 300.0, 300.0, 300.0, 7, 300.0)


def test_a_second_bar_takes_the_place_of_a_fill_of_an_earlier_run(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[minute_bar("F", T)]], minutes_subscribed=True)

    async def again() -> None:
        async with running(redis_url, minutes_subscribed=True) as path:
            path.pipeline.tape.restore("F", T, 100.0)
            await path.frame(second_bar("F", T + 1_000, 50.0, 3))

    asyncio.run(again())
    assert candles(redis, "F", "1m") == {T: (50.0, 50.0, 50.0, 50.0, 3, 50.0)}


# --- trades


def test_volume_of_a_second_without_prices_reaches_the_larger_candles(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[trade("F", T, 10.0, 100, 1), trade("F", T + 1_000, 11.0, 5, 2, 37)]])
    assert candles(redis, "F", "1s").keys() == {T}
    assert candles(redis, "F", "1m") == {T: (10.0, 10.0, 10.0, 10.0, 105, round(1055 / 105, 6))}


def test_a_print_of_an_hour_ago_is_merged_into_what_redis_holds(redis: Redis, redis_url: str) -> None:
    frames = [[trade("F", T + s * 1000, 10.0, 100, s + 1)] for s in range(0, 3000, 200)]
    feed(redis_url, [*frames, [trade("F", T + 400, 12.5, 8, 9_000)]])
    assert candles(redis, "F", "1s")[T] == (10.0, 12.5, 10.0, 10.0, 108, round(1100 / 108, 6))
    assert candles(redis, "F", "1h")[T][4] == 1508


def test_the_vendors_own_second_bars_win_over_those_built_from_trades(redis: Redis, redis_url: str) -> None:
    frames = [
        [trade("F", T, 10.0, 100, 1)],
        [trade("F", T + 1_500, 10.5, 100, 2)],
        [second_bar("F", T, 10.0, 777), second_bar("F", T + 1_000, 10.5, 888)],
        [trade("F", T + 3_000, 11.0, 100, 3), trade("MSFT", T + 3_000, 50.0, 1, 1)],
    ]
    feed(redis_url, frames)
    assert {t: c[4] for t, c in candles(redis, "F", "1s").items()} == {T: 777, T + 1_000: 888}
    assert candles(redis, "MSFT", "1s").keys() == {T + 3_000}


def test_a_print_of_the_future_is_set_aside(redis: Redis, redis_url: str) -> None:
    path = feed(redis_url, [[trade("F", T + 60_000, 10.0, 1, 1), trade("F", T, 10.0, 1, 2)]], now_ms=lambda: T + 1_000)
    assert path.pipeline.set_aside == {"future": 1}
    assert candles(redis, "F", "1s").keys() == {T}


# --- halts, days, alerts


def test_halts_are_remembered_until_trading_goes_on(redis: Redis, redis_url: str) -> None:
    halt = {"ev": "LULD", "T": "F", "h": 2, "l": 1, "i": [17], "z": 3, "t": T, "q": 1}
    assert "F" in feed(redis_url, [[halt]]).pipeline.halts
    assert len(feed(redis_url, [[halt], [halt | {"i": [18]}]]).pipeline.halts) == 0


def test_a_halt_whose_resumption_was_missed_ends_with_the_next_trade_or_the_next_day(
    redis: Redis, redis_url: str
) -> None:
    halt = {"ev": "LULD", "T": "F", "h": 2, "l": 1, "i": [17], "z": 3, "t": T, "q": 1}
    assert "F" in feed(redis_url, [[halt], [second_bar("F", T), second_bar("A", T + 60_000)]]).pipeline.halts
    assert len(feed(redis_url, [[halt], [second_bar("F", T + 1_000)]]).pipeline.halts) == 0
    assert len(feed(redis_url, [[second_bar("A", T)], [halt], [second_bar("A", T + 86_400_000)]]).pipeline.halts) == 0


def test_a_new_day_asks_for_its_previous_closes_and_takes_them_for_that_day_only(redis: Redis, redis_url: str) -> None:
    async def work() -> None:
        async with running(redis_url) as path:
            await path.frame(second_bar("F", T, 100.0))
            assert path.days == [day_of(T)]
            assert math.isnan(path.pipeline.tape.change()[0])
            path.pipeline.velocity.set_previous_closes(day_of(T), {"F": 80.0, "LATER": 50.0})
            await path.frame(second_bar("LATER", T, 60.0))
            assert path.pipeline.tape.change().round(6).tolist() == [25.0, 20.0]
            await path.frame(second_bar("F", T + 24 * 3_600_000, 110.0))
            assert path.days == [day_of(T), day_of(T + 24 * 3_600_000)]
            path.pipeline.velocity.set_previous_closes(day_of(T), {"F": 1.0})  # came too late
            assert path.pipeline.tape.change().round(6).tolist() == [10.0, 0.0]

    asyncio.run(work())


def spikes(redis_url: str, *closes: tuple[int, float], **options: Any) -> list[tuple[int, str | None, float, str]]:
    path = feed(redis_url, [[second_bar("F", T + s * 1000, close)] for s, close in closes], **options)
    return [((a.t - T) // 1000, a.direction, a.magnitude, a.severity) for a in path.alerts]


def test_a_spike_raises_one_alert_per_cooldown_and_direction(redis: Redis, redis_url: str) -> None:
    raised = spikes(
        redis_url, (0, 100), (5, 100.6), (6, 100.7), (11, 100.0), (200, 100), (205, 101), (400, 100), (405, 103)
    )
    assert raised == [(5, "up", 0.6, "warning"), (11, "down", 0.6951, "warning"), (405, "up", 3.0, "critical")]


def test_seconds_without_prices_and_minute_bars_raise_nothing(redis: Redis, redis_url: str) -> None:
    frames = [
        [minute_bar("F", T - MINUTE, 50.0)],
        [trade("F", T, 100.0, 5, 1)],
        [trade("F", T + 5_000, 200.0, 5, 2, 37)],
    ]
    assert feed(redis_url, frames).alerts == []


def test_an_alert_says_what_happened_in_words(redis: Redis, redis_url: str) -> None:
    frames = [[second_bar("F", T, 100.0)], [second_bar("F", T + 5_000, 99.0)]]
    (alert,) = feed(redis_url, frames, velocity=VelocityConfig(base="window_start")).alerts
    assert alert.id == f"velocity:F:{T + 5_000}:down"
    assert alert.message == "F down 1.00 % in 5 s, 100 to 99"
    assert (alert.price, alert.magnitude, alert.rule) == (99.0, 1.0, "velocity")


# --- what others see


def test_latest_and_the_channels_follow_the_newest_bar(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[second_bar("F", T + 2_000, 102.0), second_bar("F", T + 1_000, 101.0)]])
    assert json.loads(redis.get(keys.latest("F")) or b"")["t"] == T + 2_000


def test_test_symbols_are_stored_and_raise_nothing(redis: Redis, redis_url: str) -> None:
    names = ("ZVZZT", "NTEST.A", "ZBRA")
    frames = [[second_bar(name, T + s * 1000, price) for name in names] for s, price in ((0, 680.0), (5, 10.04))]
    path = feed(redis_url, frames)
    assert {alert.symbol for alert in path.alerts} == {"ZBRA"}
    assert len(candles(redis, "ZVZZT", "1s")) == 2
    traded = path.pipeline.tape.traded_today()
    assert {name for name, yes in zip(path.pipeline.tape.symbols, traded.tolist(), strict=True) if yes} == {"ZBRA"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (741200.0, 745123.45, "741200 to 745123.45"),
        (1220000.0, 1234567.89, "1220000 to 1234567.89"),
        (0.5, 0.5301, "0.5 to 0.5301"),
    ],
)
def test_the_prices_of_an_alert_keep_their_digits(
    redis: Redis, redis_url: str, before: float, after: float, words: str
) -> None:
    (alert,) = feed(redis_url, [[second_bar("F", T, before)], [second_bar("F", T + 5_000, after)]]).alerts
    assert alert.message.endswith(words)


def test_form_t_prints_after_an_early_close_set_prices(redis: Redis, redis_url: str) -> None:
    closed, inside = 1_764_358_200_000, 1_764_351_000_000  # 2025-11-28, 14:30 and 12:30 in New York: it closes at 13:00
    feed(redis_url, [[trade("IN", inside, 50.0, 100, 1, 12)], [trade("OUT", closed, 50.0, 100, 2, 12)]])
    assert candles(redis, "IN", "1m") == {}
    assert candles(redis, "OUT", "1m") == {closed: (50.0, 50.0, 50.0, 50.0, 100, 50.0)}


# --- large frames


def test_no_event_of_a_large_frame_is_lost_whatever_its_kind() -> None:
    """Also one of a kind that the decoder does not know yet: every list of a frame is cut into the parts."""
    whole = Decoded()
    lists = [name for name in Decoded.__slots__ if isinstance(getattr(whole, name), list)]
    assert len(lists) >= 5
    for place, name in enumerate(lists):
        setattr(whole, name, [(name, n) for n in range(place * SLICE // 2 + 3)])
    whole.events = sum(len(getattr(whole, name)) for name in lists)
    cut = list(parts(whole))
    for name in lists:
        assert [one for part in cut for one in getattr(part, name)] == getattr(whole, name)
        assert max(len(getattr(part, name)) for part in cut) <= SLICE


def test_a_large_frame_reaches_the_store_whole(redis: Redis, redis_url: str) -> None:
    halt = {"ev": "LULD", "T": "F", "h": 2, "l": 1, "i": [17], "z": 3, "t": T, "q": 1}
    frame = [second_bar(f"S{n}", T) for n in range(SLICE + 5)] + [
        halt,
        trade("TRD", T, 10.0, 1, 1),
        minute_bar("MIN", T),
    ]
    path = feed(redis_url, [frame])
    assert redis.scard(keys.SYMBOLS) == SLICE + 5 + 2
    assert "F" in path.pipeline.halts


# --- symbols without end


def test_no_event_of_a_symbol_beyond_the_most_is_kept_in_memory() -> None:
    pipeline = Pipeline(Schema(), VelocityConfig(), decode=decode, minutes_subscribed=True, max_symbols=2)
    halt = {"ev": "LULD", "T": "H", "h": 2.0, "l": 1.0, "i": [17], "z": 3, "t": T, "q": 1}
    step = lambda *events: pipeline.step(pipeline.decode(json.dumps(events).encode()))  # noqa: E731
    step(second_bar("A", T), second_bar("B", T))
    step(second_bar("C", T), minute_bar("D", T), trade("E", T, 10.0, 5, 1), halt)
    found = pipeline.drain()
    assert pipeline.tape.symbols == ["A", "B"]
    assert (found.writes, found.unsure, "E" in pipeline.trade_bars, len(pipeline.halts)) == ([], [], False, 0)
    assert pipeline.tape.counts.beyond == 4
    step(trade("A", T + 1000, 10.0, 5, 2), second_bar("B", T + 1000))  # the others go on
    assert pipeline.tape.clock == T + 1000
