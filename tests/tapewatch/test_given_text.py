"""Secrets in URLs are masked wherever they stand."""

from __future__ import annotations

import pytest

from tapewatch import logs
from tapewatch.given_text import masked_url, query_secrets
from tapewatch.settings import Settings


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://me:pw@h:1/0", "redis://me:***@h:1/0"),
        ("redis://me:p@w@h:1/0", "redis://me:***@h:1/0"),
        ("redis://h:1/0?username=me&password=pw", "redis://h:1/0?username=me&password=***"),
        ("rediss://h/0?ssl_password=pw&ssl_keyfile=/etc/key", "rediss://h/0?ssl_password=***&ssl_keyfile=/etc/key"),
        ("wss://h/stocks?apiKey=pw#x", "wss://h/stocks?apiKey=***#x"),
        ("https://h/?access_token=pw&a=1", "https://h/?access_token=***&a=1"),
        ("unix:///run/redis.sock?password=pw", "unix:///run/redis.sock?password=***"),
        ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
    ],
)
def test_a_url_is_shown_without_its_secret(url: str, shown: str) -> None:
    assert masked_url(url) == shown


def test_the_log_masks_secrets_of_a_query_too() -> None:
    settings = Settings(redis_url="redis://h/0?password=pw%2Dsecret")
    assert query_secrets(settings.redis_url) == ["pw%2Dsecret"]
    mask = logs.Masker(logs.secrets_of(settings))
    assert mask("pw%2Dsecret and pw-secret") == "*** and ***"
