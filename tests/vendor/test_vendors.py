"""Which vendor a URL means."""

from __future__ import annotations

import pytest

from vendor.vendors import DEFAULT, VENDORS, own_vendor_of, vendor_of


@pytest.mark.parametrize(
    "url",
    [
        "wss://socket.massive.com/stocks", "wss://delayed.polygon.io/stocks", "wss://socket.massive.com./stocks",
        "wss://SOCKET.MASSIVE.COM/stocks",
    ],
)  # fmt: skip
def test_a_host_of_the_vendors_own(url: str) -> None:
    vendor = own_vendor_of(url)
    assert vendor is not None
    assert vendor.name == "massive"


@pytest.mark.parametrize(
    "url", ["ws://127.0.0.1:8765/stocks", "wss://massive.com.example/", "wss://notmassive.com/", "", "ws://[::1"]
)
def test_any_other_host_speaks_the_first_ones_protocol(url: str) -> None:
    assert own_vendor_of(url) is None
    assert vendor_of(url) is DEFAULT


def test_each_vendor_has_a_name_of_its_own_and_serves_its_live_feed() -> None:
    assert len({vendor.name for vendor in VENDORS}) == len(VENDORS)
    for vendor in VENDORS:
        assert own_vendor_of(vendor.live_feed) is vendor
