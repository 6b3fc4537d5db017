"""Existing series brought to other settings, missing ones created, what they hold untouched."""

from __future__ import annotations

import pytest
from redis import Redis

from market.bar import Bar
from redis_functions.contract import keys
from redis_functions.contract.schema import Schema
from redis_functions.write import provision
from tests.support import write_bars

T = 1_760_103_000_000
SERIES = 24  # a symbol
OTHER = Schema({"1s": 9_000_000, "1m": 10_000_000, "5m": 20_000_000, "1h": 30_000_000}, labels=False)


def bars(*symbols: str) -> list[Bar]:
    return [Bar(symbol, T + s * 1000, 100, 110, 90, 105, 10, 1000) for symbol in symbols for s in range(90)]


def retention(redis: Redis, key: str) -> int:
    flat = redis.execute_command("TS.INFO", key)
    return int(dict(zip(flat[::2], flat[1::2], strict=True))[b"retentionTime"])


def test_an_empty_store(redis: Redis) -> None:
    assert provision.apply(redis, Schema()) == provision.Applied(0, 0, 0)


def test_retention_and_labels_change_and_candles_stay(redis: Redis) -> None:
    write_bars(redis, bars("AAPL", "BRK.B"))
    minutes = keys.series("BRK.B", "1m", "volume")
    before = redis.execute_command("TS.RANGE", minutes, "-", "+", "LATEST")
    assert provision.apply(redis, OTHER) == provision.Applied(2, 0, 2 * SERIES)
    assert retention(redis, minutes) == 10_000_000
    assert redis.execute_command("TS.RANGE", minutes, "-", "+", "LATEST") == before
    assert redis.execute_command("TS.QUERYINDEX", "symbol=AAPL") == []
    provision.apply(redis, Schema())
    assert len(redis.execute_command("TS.QUERYINDEX", "symbol=AAPL")) == SERIES


def test_missing_series_and_rules_are_created(redis: Redis) -> None:
    write_bars(redis, bars("AAPL"))
    redis.delete(keys.series("AAPL", "1m", "close"), keys.series("AAPL", "1s", "open"))
    redis.sadd(keys.SYMBOLS, "NEW")
    assert provision.apply(redis, Schema()) == provision.Applied(2, SERIES + 2, SERIES - 2)
    assert provision.apply(redis, Schema()) == provision.Applied(2, 0, 2 * SERIES)
    for second, ticks in ((120, 7), (180, 8)):
        redis.execute_command("TS.ADD", keys.series("AAPL", "1s", "close"), T + second * 1000, ticks)
    rolled = redis.execute_command("TS.RANGE", keys.series("AAPL", "1m", "close"), T + 120_000, "+", "LATEST")
    assert [int(v) for _, v in rolled] == [7, 8]


def test_progress_reaches_the_end(redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, *(f"S{k}" for k in range(provision.BATCH + 1)))
    progress: list[tuple[int, int]] = []
    provision.apply(redis, Schema(), lambda done, of: progress.append((done, of)))
    assert progress == [(provision.BATCH, provision.BATCH + 1), (provision.BATCH + 1, provision.BATCH + 1)]


def test_a_key_of_another_type_is_named(redis: Redis) -> None:
    redis.sadd(keys.SYMBOLS, "X")
    redis.set(keys.series("X", "5m", "low"), "in the way")
    with pytest.raises(provision.NotApplied, match=r"ts:\{X\}:.*"):
        provision.apply(redis, Schema())
