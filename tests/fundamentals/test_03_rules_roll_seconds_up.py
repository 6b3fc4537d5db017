"""Redis itself makes 1m, 5m and 1h of the seconds: first, max, min, last and sums, the running candle included."""

from redis import Redis

from tests.fake_vendor import second_bar
from tests.ingest.harness import candles, feed

T = 1_760_104_800_000


def test_every_second_is_in_one_candle_of_each_length(redis: Redis, redis_url: str) -> None:
    closes = {0: 10.0, 59: 12.0, 60: 9.0, 299: 11.0, 300: 13.0}
    feed(redis_url, [[second_bar("F", T + s * 1000, close) for s, close in closes.items()]])
    assert candles(redis, "F", "1m")[T][:5] == (10.0, 12.0, 10.0, 12.0, 20)
    assert candles(redis, "F", "5m")[T][:5] == (10.0, 12.0, 9.0, 11.0, 40)
    assert candles(redis, "F", "1h")[T][:5] == (10.0, 13.0, 9.0, 13.0, 50)
    assert candles(redis, "F", "3m").keys() == {T, T + 180_000}  # made when it is asked for
