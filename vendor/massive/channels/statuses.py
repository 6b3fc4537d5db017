"""Status messages of the server, which come without being subscribed.

``{"ev":"status","status":"success","message":"subscribed to: A.*"}``
"""

from __future__ import annotations

from typing import Any

import msgspec

from vendor.interface import Decoded, Status
from vendor.massive.channels.channel import Channel


class StatusMessage(msgspec.Struct, tag_field="ev", tag="status"):
    """A status message as it comes."""

    status: str
    message: str = ""
    market: str = ""


def read(event: dict[str, Any]) -> StatusMessage:
    """A status message whose values may be of any type."""
    return StatusMessage(*(str(event.get(name, "")) for name in ("status", "message", "market")))


def _take(event: Any, out: Decoded) -> None:
    out.statuses.append(Status(event.status, event.message, event.market))


STATUSES = Channel("status", StatusMessage, read, _take, data=False, topic=False)
