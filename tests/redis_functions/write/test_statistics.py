"""Statistics written and read again through a real Redis."""

from __future__ import annotations

import pytest
from redis import Redis

from redis_functions.contract import keys
from redis_functions.contract.statistics import RETENTION_MS, STATISTICS
from redis_functions.read.statistics import read_newest_stats, read_stats
from redis_functions.write.statistics import add_statistics

T = 1_760_104_800_000


def test_what_is_written_is_read(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    for second in range(3):
        add_statistics(pipe, T + second * 1000, {"symbols": second, "lag_ms": 0.5})
    add_statistics(pipe, T + 2000, {"symbols": 9})  # the same second again
    pipe.execute()
    newest, values = read_newest_stats(redis)
    assert (newest, values["symbols"], values["lag_ms"], values["alerts"]) == (T + 2000, 9.0, 0.5, None)
    assert values.keys() == STATISTICS.keys()
    times, columns, _ = read_stats(redis, ["symbols"], T, T + 2000, 10)
    assert (times.tolist(), columns.tolist()) == ([T, T + 1000, T + 2000], [[0.0, 1.0, 9.0]])
    info = redis.execute_command("TS.INFO", keys.stat("symbols"))
    assert info[info.index(b"retentionTime") + 1] == RETENTION_MS


def test_a_statistic_that_is_not_in_the_table_is_not_written(redis: Redis) -> None:
    pipe = redis.pipeline(transaction=False)
    with pytest.raises(ValueError, match="made_up; add a row"):
        add_statistics(pipe, T, {"symbols": 1, "made_up": 1})
    assert pipe.execute() == []
    assert not redis.exists(keys.stat("symbols"), keys.stat("made_up"))
