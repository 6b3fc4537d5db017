"""The series of a symbol and the rules between them, in a real Redis."""

from __future__ import annotations

from typing import Any

import pytest
from redis import Redis
from redis.crc import key_slot
from redis.exceptions import ResponseError

from market.timeframes import STORED
from redis_functions.contract import keys
from redis_functions.contract.schema import FIELDS, Schema, alter_commands, create_commands
from redis_functions.errors import Kind, kind_of

T = 1_760_103_000_000


def send(redis: Redis, commands: list[Any]) -> list[str]:
    """The errors."""
    pipe = redis.pipeline(transaction=False)
    for command in commands:
        pipe.execute_command(*command)
    return [str(reply) for reply in pipe.execute(raise_on_error=False) if isinstance(reply, Exception)]


def info(redis: Redis, timeframe: str, field: str, symbol: str = "BRK.B") -> dict[str, Any]:
    flat = redis.execute_command("TS.INFO", keys.series(symbol, timeframe, field))
    return {name.decode(): value for name, value in zip(flat[::2], flat[1::2], strict=True)}


def labels(redis: Redis, timeframe: str, field: str) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in info(redis, timeframe, field)["labels"]}


def test_all_series_with_their_settings(redis: Redis) -> None:
    schema = Schema()
    assert send(redis, create_commands("BRK.B", schema)) == []
    for field in FIELDS:
        for timeframe in STORED:
            found = info(redis, timeframe, field)
            assert found["retentionTime"] == schema.retention_ms[timeframe]
            assert found["chunkSize"] == (384 if timeframe == "1s" else 192)
            assert found["duplicatePolicy"] == b"last"
            assert labels(redis, timeframe, field) == {"symbol": "BRK.B", "field": field, "timeframe": timeframe}


def test_every_level_hangs_on_the_seconds(redis: Redis) -> None:
    send(redis, create_commands("BRK.B", Schema()))
    for field, aggregator in FIELDS.items():
        rules = {target.decode(): (bucket, kind) for target, bucket, kind, *_ in info(redis, "1s", field)["rules"]}
        assert rules == {
            keys.series("BRK.B", timeframe, field): (bucket, aggregator.upper().encode())
            for timeframe, bucket in STORED.items()
            if timeframe != "1s"
        }


def test_rules_roll_up(redis: Redis) -> None:
    send(redis, create_commands("X", Schema()))
    for second, ticks in ((0, 10), (1, 30), (59, 5), (60, 7)):
        for field in FIELDS:
            redis.execute_command("TS.ADD", keys.series("X", "1s", field), T + second * 1000, ticks)
    rolled = {
        field: [int(v) for _, v in redis.execute_command("TS.RANGE", keys.series("X", "1m", field), "-", "+", "LATEST")]
        for field in FIELDS
    }
    assert rolled == {
        "open": [10, 7],
        "high": [30, 7],
        "low": [5, 7],
        "close": [5, 7],
        "volume": [45, 7],
        "notional": [45, 7],
    }


def test_created_again_only_repeats_are_told(redis: Redis) -> None:
    commands = create_commands("X", Schema())
    send(redis, commands)
    errors = send(redis, commands)
    assert len(errors) == len(commands)
    assert {kind_of(ResponseError(error)) for error in errors} == {Kind.EXISTS}


@pytest.mark.parametrize(
    "command", [("TS.CREATERULE", "a", "b", "AGGREGATION", "last", 60_000), ("TS.CREATE", "a", "RETENTION", "x")]
)
def test_other_errors_are_of_another_kind(redis: Redis, command: Any) -> None:
    with pytest.raises(ResponseError) as refused:
        redis.execute_command(*command)
    assert kind_of(refused.value) is not Kind.EXISTS


def test_without_labels(redis: Redis) -> None:
    send(redis, create_commands("X", Schema(labels=False)))
    assert info(redis, "1m", "close", "X")["labels"] == []


def test_altered_to_other_settings_and_back(redis: Redis) -> None:
    send(redis, create_commands("BRK.B", Schema()))
    small = Schema({"1s": 7_200_000, "1m": 86_400_000, "5m": 172_800_000, "1h": 864_000_000}, 512, 64, labels=False)
    assert send(redis, alter_commands("BRK.B", small)) == []
    for timeframe in STORED:
        found = info(redis, timeframe, "volume")
        assert found["retentionTime"] == small.retention_ms[timeframe]
        assert found["chunkSize"] == (512 if timeframe == "1s" else 64)
        assert found["labels"] == []
    send(redis, alter_commands("BRK.B", Schema()))
    assert labels(redis, "5m", "low") == {"symbol": "BRK.B", "field": "low", "timeframe": "5m"}


def test_all_keys_of_a_symbol_share_a_cluster_slot() -> None:
    words = [word for command in create_commands("BRK.B", Schema()) for word in command if str(word).startswith("ts:")]
    assert len({key_slot(str(word).encode()) for word in words}) == 1
    assert key_slot(keys.series("BRK.B", "1s", "open").encode()) == key_slot(b"BRK.B")


def test_lateness_keeps_the_largest_bucket_whole() -> None:
    assert Schema().lateness_ms == 3_600_000
    assert Schema(retention_ms={"1s": 4_500_000, "1m": 1, "5m": 1, "1h": 1}).lateness_ms == 900_000
