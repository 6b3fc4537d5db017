"""Second bars are more precise than a minute bar: it fills only minutes without seconds, and is deleted when one comes."""

from redis import Redis

from tests.fake_vendor import second_bar
from tests.ingest.harness import candles, feed

T = 1_760_104_800_000
MINUTE = second_bar("F", T, 50.0, 600, ev="AM")


def test_alone_it_is_the_minute_but_never_a_second(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[MINUTE]])
    assert candles(redis, "F", "1m")[T][4] == 600
    assert candles(redis, "F", "1s") == {}


def test_a_second_of_the_same_minute_takes_its_place(redis: Redis, redis_url: str) -> None:
    feed(redis_url, [[MINUTE], [second_bar("F", T + 30_000, 51.0, 7)]])
    assert candles(redis, "F", "1m") == {T: (51.0, 51.0, 51.0, 51.0, 7, 51.0)}
