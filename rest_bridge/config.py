"""The configuration of the bridge, given by the process that starts it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Limits:
    """What clients may take. Times in seconds.

    `keep_alive_s`: a connection without a request; `request_s`: from a request's first byte to its last; `answer_s`: to send an
    answer; `queue_s`: to wait for one of the `at_work` places; `grace_s`: what is under way when the bridge stops.
    `in_flight_bytes`: of all answers being sent.
    `trusted_proxies`: addresses whose connections and places at work are not limited.
    """

    connections: int = 500
    connections_per_address: int = 50
    trusted_proxies: tuple[str, ...] = ()
    keep_alive_s: float = 5.0
    request_s: float = 10.0
    answer_s: float = 20.0
    grace_s: float = 1.0
    in_flight_bytes: int = 64 << 20
    at_work: int = 8
    queue_s: float = 5.0


@dataclass(frozen=True)
class BridgeConfig:
    """`token` empty: no authentication. `rate_limit`: requests a second from one address, 0: any number.

    `allowed_hosts`: names in `Host` that are answered without a token, besides those of loopback. `cors_origins`: pages of these
    origins may ask.

    `always_open`: the market never closes (a simulated one), for coverage.

    `velocity_*` are the detector's, so that what is drawn is what it judged by.
    """

    redis_url: str
    token: str = ""
    rate_limit: float = 0.0
    allowed_hosts: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    feed_name: str = "stocks"
    velocity_window_s: int = 5
    velocity_base: Literal["previous_close", "window_start"] = "previous_close"
    velocity_max_age_s: int = 30
    always_open: bool = False
    limits: Limits = field(default_factory=Limits)
