"""An average of averages would be wrong, so what is stored and summed is money; the average price is money by volume."""

from redis import Redis

from tests.fake_vendor import second_bar
from tests.ingest.harness import candles, feed

T = 1_760_104_800_000


def test_a_large_second_weighs_more_than_a_small_one(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[second_bar("F", T, 10.0, 990), second_bar("F", T + 1_000, 20.0, 10)]])
    assert candles(redis, "F", "1m")[T][5] == (990 * 10.0 + 10 * 20.0) / 1000


def test_without_volume_there_is_none(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[second_bar("VIX", T, 15.0, 0)]])
    assert candles(redis, "VIX", "1m")[T] == (15.0, 15.0, 15.0, 15.0, 0, None)
