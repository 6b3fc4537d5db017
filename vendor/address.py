"""Rules for an address before connecting: how it is shown, and whether a key may be sent there."""

from __future__ import annotations

from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

ENCRYPTED = ("wss", "https")
#: What is no key but stands where one is expected.
NO_KEYS = ("", "none")


def shown(url: str, schemes: tuple[str, ...]) -> str:
    """The address without user, password and query. Raises ValueError for one that cannot be connected or has another scheme."""
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port
    if parts.scheme not in schemes or not host.encode("idna"):
        raise ValueError(f"expected an address that begins with {' or '.join(f'{scheme}://' for scheme in schemes)}")
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port else ''}{parts.path}"


def exposes(url: str, key: str) -> bool:
    """Whether the key would go unencrypted to another machine."""
    parts = urlsplit(url)
    return key not in NO_KEYS and parts.scheme not in ENCRYPTED and not _is_loopback(parts)


def _is_loopback(parts: SplitResult) -> bool:
    host = (parts.hostname or "").rstrip(".")
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
