"""The wire format of a Redis request (RESP)."""

from __future__ import annotations


def encode(words: list[str | int] | list[str] | tuple[str | int, ...]) -> bytes:
    """One command as RESP."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        raw = str(word).encode()
        parts.append(b"$%d\r\n%s\r\n" % (len(raw), raw))
    return b"".join(parts)
