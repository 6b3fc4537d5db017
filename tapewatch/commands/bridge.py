"""`tapewatch bridge`: the REST API."""

from __future__ import annotations

import argparse
import logging
import sys
from urllib.parse import urlsplit

from market.printable import printable
from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig, Limits
from rest_bridge.server import PortTaken, host_port, serve
from tapewatch import logs, notify
from tapewatch.settings import TOKEN_LENGTH, Settings, check_listening

HELP = "the REST API, in the foreground"

log = logging.getLogger("tapewatch.bridge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: host, port and token are settings."""


def config_of(settings: Settings) -> BridgeConfig:
    """The bridge's part of the settings. Without a list of origins the Grafana of this box may ask from a browser."""
    limits = Limits(
        connections=settings.bridge_connections,
        connections_per_address=settings.bridge_connections_per_address,
        trusted_proxies=_listed(settings.bridge_proxies),
        keep_alive_s=settings.bridge_keep_alive_s,
        request_s=settings.bridge_request_s,
        answer_s=settings.bridge_answer_s,
        in_flight_bytes=settings.bridge_in_flight_mb << 20,
        at_work=settings.bridge_at_work,
        queue_s=settings.bridge_queue_s,
    )
    # Where Grafana reaches the bridge is a name that the operator gave it.
    own_name = urlsplit(settings.bridge_url).hostname
    return BridgeConfig(
        redis_url=settings.store_url,
        token=settings.token,
        rate_limit=settings.rate_limit,
        allowed_hosts=_listed(settings.allowed_hosts) + ((own_name,) if own_name else ()),
        cors_origins=_listed(settings.cors_origins) or (origin_of(settings.grafana_url),),
        feed_name=settings.feed_name,
        velocity_window_s=settings.velocity_window_s,
        velocity_base=settings.velocity_base,
        velocity_max_age_s=settings.velocity_max_age_s,
        always_open=settings.always_open,
        limits=limits,
    )


def _listed(text: str) -> tuple[str, ...]:
    return tuple(item.strip() for item in text.split(",") if item.strip())


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as a browser sends them in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def run(args: argparse.Namespace, settings: Settings) -> int:
    check_listening(settings)
    logs.setup(settings)
    host, port = settings.listen_host, settings.bridge_port
    if settings.token_is_short:
        log.error(
            "TAPEWATCH_TOKEN has %d characters and needs %d to listen on %s: listening on loopback alone; set a longer one",
            len(settings.token), TOKEN_LENGTH, settings.bridge_host,
        )  # fmt: skip

    def ready() -> None:
        log.info("listening on http://%s", host_port(host, port))
        notify.notify("READY=1")

    try:
        config = config_of(settings)
        serve(lambda: create_app(config), host, port, config.limits, ready, lambda: notify.notify("WATCHDOG=1"))
    except PortTaken as error:
        print(printable(f"tapewatch bridge: {error}"), file=sys.stderr)
        return 1
    return 0
