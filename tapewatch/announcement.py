"""What `tapewatch run` prints when it starts and when it is ready: the addresses, last; as log records in the JSON format."""

from __future__ import annotations

import asyncio
import logging
import time
import urllib.error
import urllib.request

from tapewatch.settings import LIVE_FEED, Settings

log = logging.getLogger("tapewatch.run")

READY_CHECK_S = 0.1


def announce(settings: Settings) -> None:
    """Which market is watched, and where the REST API will answer."""
    if settings.simulated:
        market = f"a simulated market of {settings.sim_symbols} symbols (set MASSIVE_API_KEY for the real one)"
    else:
        market = settings.feed_url or LIVE_FEED
    _show(settings, f"tapewatch watches {market}", f"  REST API   {settings.bridge_address}/docs")


async def announce_ready(settings: Settings) -> None:
    """Waits until the bridge is ready, then shows where everything is."""
    began = time.monotonic()
    address = settings.bridge_address
    while not await asyncio.to_thread(_ready, address):
        await asyncio.sleep(READY_CHECK_S)
    _show(
        settings,
        f"ready after {time.monotonic() - began:.1f} s",
        f"  REST API   {address}/docs",
        f"  candles    {address}/api/v1/candles?symbol=AAPL&timeframe=1m",
        f"  Grafana    make grafana (in a second terminal), then {settings.grafana_url}",
        "Ctrl-C stops everything.",
    )


def _show(settings: Settings, *lines: str) -> None:
    if settings.log_format == "json":
        for line in lines:
            log.info("%s", line.strip())
    else:
        print("\n".join(lines), flush=True)


def _ready(address: str) -> bool:
    try:
        with urllib.request.urlopen(f"{address}/readyz", timeout=2) as reply:
            return bool(reply.status == 200)
    except (urllib.error.URLError, OSError):
        return False
