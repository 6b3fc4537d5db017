"""Rules for an address before connecting."""

from __future__ import annotations

import pytest

from vendor.address import exposes, shown


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://user:pass@socket.example:8443/stocks?apiKey=x", "wss://socket.example:8443/stocks"),
        ("ws://[::1]:9/stocks", "ws://[::1]:9/stocks"),
        ("WSS://Socket.Example/", "wss://socket.example/"),
    ],
)
def test_an_address_is_shown_without_its_secrets(url: str, expected: str) -> None:
    assert shown(url, ("ws", "wss")) == expected


@pytest.mark.parametrize(
    "url", ["", "nonsense", "http://h/", "ws://", "ws://a..b/", "ws://h:99999/", "ws://[::1", "ws://h:x/"]
)
def test_an_address_that_cannot_be_connected(url: str) -> None:
    with pytest.raises(ValueError, match=r"expected an address|port|IPv6|label|Port"):
        shown(url, ("ws", "wss"))


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:1/stocks", "ws://127.8.8.8/", "ws://localhost/", "ws://localhost./", "http://[::1]:8/",
        "wss://feed.example/", "https://192.0.2.1/",
    ],
)  # fmt: skip
def test_this_machine_and_an_encrypted_connection_may_have_the_key(url: str) -> None:
    assert not exposes(url, "the-key")


@pytest.mark.parametrize(
    "url", ["ws://192.0.2.1/", "ws://localhost.example/", "http://127.0.0.1.example/", "ws://10.0.0.1/"]
)
def test_another_machine_without_encryption_may_not(url: str) -> None:
    assert exposes(url, "the-key")
    assert not exposes(url, "none")
    assert not exposes(url, "")
