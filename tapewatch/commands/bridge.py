"""`tapewatch bridge`: the REST API."""

from __future__ import annotations

import argparse
import logging
import sys
from urllib.parse import urlsplit

from rest_bridge.app import create_app
from rest_bridge.config import BridgeConfig
from rest_bridge.server import PortTaken, host_port, serve
from tapewatch import logs, notify
from tapewatch.settings import Settings

HELP = "the REST API, in the foreground"

log = logging.getLogger("tapewatch.bridge")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """None: host, port and token are settings."""


def config_of(settings: Settings) -> BridgeConfig:
    """The bridge's part of the settings. Without a list of origins the Grafana of this box may ask from a browser."""
    origins = tuple(o.strip() for o in settings.cors_origins.split(",") if o.strip())
    return BridgeConfig(
        redis_url=settings.store_url,
        token=settings.token,
        rate_limit=settings.rate_limit,
        cors_origins=origins or (origin_of(settings.grafana_url),),
        feed_name=settings.feed_name,
        velocity_window_s=settings.velocity_window_s,
        velocity_base=settings.velocity_base,
        velocity_max_age_s=settings.velocity_max_age_s,
        always_open=settings.always_open or settings.simulated,
    )


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, as a browser sends them in `Origin`."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def run(args: argparse.Namespace, settings: Settings) -> int:
    logs.setup(settings)
    host, port = settings.bridge_host, settings.bridge_port

    def ready() -> None:
        log.info("listening on http://%s", host_port(host, port))
        notify.notify("READY=1")

    try:
        config = config_of(settings)
        serve(lambda: create_app(config), host, port, config.limits, ready, lambda: notify.notify("WATCHDOG=1"))
    except PortTaken as error:
        print(f"tapewatch bridge: {error}", file=sys.stderr)
        return 1
    return 0
