"""An alert, as the stream holds it and as every process reads it."""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec


class Alert(msgspec.Struct, frozen=True):
    """One alert. `t` is event time, epoch ms; `direction` is up, down or None; `magnitude` is the rule's own measure
    (percent for velocity); `price` is the real price at `t`; `severity` is info, warning or critical."""

    id: str
    t: int
    symbol: str
    rule: str
    severity: str
    direction: str | None
    magnitude: float
    message: str
    price: float


def alert_id(rule: str, symbol: str, t: int, direction: str | None) -> str:
    """``velocity:AAPL:1760103000000:up``: the same event has the same id, whichever process finds it and however often."""
    return f"{rule}:{symbol}:{t}:{direction or ''}"


def parse_alert(fields: Mapping[bytes, bytes]) -> Alert | None:
    """The alert of a stream's entry; None for an entry that the function raise_alert did not write."""

    def text(name: bytes) -> str:
        return fields[name].decode()

    try:
        alert = Alert(
            text(b"id"), int(text(b"t")), text(b"symbol"), text(b"rule"), text(b"severity"), text(b"direction") or None,
            float(text(b"magnitude")), text(b"message"), float(text(b"price")),
        )  # fmt: skip
    except (KeyError, ValueError):
        return None
    return alert if math.isfinite(alert.magnitude) and math.isfinite(alert.price) else None
