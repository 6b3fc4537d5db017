"""The vendor restates its bars for fifteen minutes, so a bar replaces whatever its symbol and second held before."""

from redis import Redis

from tests.fake_vendor import second_bar
from tests.ingest.harness import candles, feed

T = 1_760_104_800_000


def test_the_last_word_counts_and_nothing_adds_up_twice(redis: Redis, redis_url: str) -> None:
    first, late, restated = (
        second_bar("F", T, 10.0, 500),
        second_bar("F", T + 9_000, 11.0),
        second_bar("F", T, 10.5, 400),
    )
    feed(redis_url, [[first], [late], [restated], [restated]])
    assert candles(redis, "F", "1s")[T] == (10.5, 10.5, 10.5, 10.5, 400, 10.5)
    assert candles(redis, "F", "1m")[T][4] == 410
