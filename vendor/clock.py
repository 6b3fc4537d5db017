"""How far this machine's clock is from a server's, by the Date header that comes with every HTTP answer."""

from __future__ import annotations

from email.utils import parsedate_to_datetime


def offset_s(date: str | None, before: float, after: float) -> float | None:
    """The server's clock minus ours, in seconds; None without a usable header. Positive: our clock is behind.

    `before` and `after` are our clock (epoch seconds) when the request left and when the answer came. The header has whole
    seconds, so its own second has begun half a second ago on average: the result is good to half a second and half the time
    that the answer took.
    """
    if not date:
        return None
    try:
        theirs = parsedate_to_datetime(date).timestamp() + 0.5
    except (ValueError, TypeError, OverflowError):
        return None
    return theirs - (before + after) / 2
