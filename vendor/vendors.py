"""Every vendor, and which of them a URL means. A second vendor is a second folder and a second entry here."""

from __future__ import annotations

from urllib.parse import urlsplit

from vendor.interface import Vendor
from vendor.massive.vendor import Massive

#: The first one's protocol is what `tapewatch simulate` and `tapewatch replay` speak, and any other host is taken for that.
VENDORS: tuple[Vendor, ...] = (Massive(),)
DEFAULT = VENDORS[0]


def vendor_of(url: str) -> Vendor:
    """The vendor whose protocol the feed at `url` speaks."""
    return own_vendor_of(url) or DEFAULT


def own_vendor_of(url: str) -> Vendor | None:
    """The vendor whose own host `url` names; None for a simulator, a replay or any other server."""
    try:
        host = (urlsplit(url).hostname or "").rstrip(".")
    except ValueError:
        return None
    return next((vendor for vendor in VENDORS if vendor.serves(host)), None)
