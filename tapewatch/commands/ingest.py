"""`tapewatch ingest`: the feed into Redis."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import signal
import sys

from ingest.engine import EngineConfig
from ingest.ops.aof_rewrite import RewriteConfig
from ingest.process import Ingest, IngestConfig
from ingest.spool.errors import SpoolError
from ingest.velocity_rule import VelocityConfig
from redis_functions.errors import StoreRefused
from tapewatch import logs
from tapewatch.cli import CannotGoOn
from tapewatch.disk_plan import shortage
from tapewatch.notify import notify
from tapewatch.settings import LIVE_FEED, Settings
from tapewatch.trusted_files import secure_folder
from vendor.interface import FeedConfig, FeedRefused, RestConfig
from vendor.vendors import own_vendor_of, vendor_of

log = logging.getLogger("tapewatch.ingest")

HELP = "read the feed and write its bars to Redis"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """No options: everything comes from the settings."""


def config(settings: Settings) -> IngestConfig:
    """The configuration of the process. Raises CannotGoOn when no feed is configured or a topic is invalid."""
    if settings.simulated:
        raise CannotGoOn(
            "no feed: set MASSIVE_API_KEY for the live market or TAPEWATCH_FEED_URL (`tapewatch run` starts a simulated one)"
        )
    try:
        url, key = settings.feed_url or LIVE_FEED, settings.api_key or "none"
        vendor = vendor_of(url)
        subscription = vendor.subscription(settings.subscribe)
    except FeedRefused as error:
        raise CannotGoOn(str(error)) from None
    own = own_vendor_of(url)
    rest_url = settings.rest_url or (own.live_rest if own else "")
    plaintext = settings.allow_plaintext_key
    return IngestConfig(
        engine=EngineConfig(
            redis_url=settings.store_url,
            vendor=vendor,
            subscription=subscription,
            feed_name=settings.feed_name,
            max_symbols=settings.max_symbols,
            always_open=settings.always_open,
            schema=settings.schema,
            velocity=VelocityConfig(
                settings.velocity_window_s, settings.velocity_threshold, settings.velocity_cooldown_s,
                settings.velocity_base, settings.velocity_max_age_s,
            ),
            rewrite=RewriteConfig(
                settings.aof_limit_mb << 20, settings.always_open,
                folder=None if settings.redis_url else settings.data_path / "redis", hold=settings.holds_writes,
            ),
        ),
        feed=FeedConfig(url, key, subscription, settings.stall_after_s, plaintext),
        spool_dir=settings.data_path / "spool",
        rest=RestConfig(rest_url.rstrip("/"), key, settings.rest_per_second, plaintext) if rest_url else None,
        spool_bytes=settings.spool_mb << 20,
        spool_age_s=settings.spool_hours * 3600,
        memory_bytes=settings.buffer_mb << 20,
    )  # fmt: skip


def run(args: argparse.Namespace, settings: Settings) -> int:
    """Runs until SIGINT or SIGTERM. Raises CannotGoOn when trying again will not help; returns 1 when the spool failed."""
    made = config(settings)
    secure_folder(settings.data_path)
    logs.setup(settings)
    if short := shortage(settings):
        log.warning("the disk is smaller than the plan: %s; `tapewatch plan` has the figures", short)
    try:
        asyncio.run(_main(made))
    except (FeedRefused, StoreRefused) as error:
        raise CannotGoOn(str(error)) from None
    except SpoolError as error:
        print(f"tapewatch: the spool cannot be trusted any more, stopping: {error}", file=sys.stderr)
        return 1
    return 0


async def _main(made: IngestConfig) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signum in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signum, stop.set)
    ingest = Ingest(made, on_ready=_ready, on_beat=_beat)
    # Objects of the start live as long as the process: the collector need not visit them.
    gc.freeze()
    await ingest.run(stop)
    notify("STOPPING=1")


def _ready() -> None:
    notify("READY=1")


def _beat() -> None:
    notify("WATCHDOG=1")
