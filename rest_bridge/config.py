"""What the bridge needs to know, handed to it by whoever starts it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class BridgeConfig:
    """`token` empty: no authentication. `rate_limit`: requests a second from one address, 0: any number.

    `always_open`: the market never closes (a simulated one), for coverage.

    `velocity_*` are the detector's, so that what is drawn is what it judged by.
    """

    redis_url: str
    token: str = ""
    rate_limit: float = 0.0
    cors_origins: tuple[str, ...] = ()
    feed_name: str = "stocks"
    velocity_window_s: int = 5
    velocity_base: Literal["previous_close", "window_start"] = "previous_close"
    velocity_max_age_s: int = 30
    always_open: bool = False
