"""Other processes and hosts: the feed, the vendor's clock, the bridge, Grafana."""

from __future__ import annotations

import http.client
import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import Message
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tapewatch.doctor.finding import TIMEOUT_S, Finding, fail, ok, warn
from tapewatch.settings import LIVE_FEED, LIVE_REST, Settings
from vendor.clock import offset_s
from vendor.vendors import vendor_of

#: The Date header has whole seconds; bars more than 5 s ahead of our clock are rejected.
CLOCK_WARN_S, CLOCK_FAIL_S = 2.0, 4.0
OLDEST_GRAFANA = (11, 6)
PLUGIN = "yesoreyeram-infinity-datasource"
#: Before it a token could be sent to hosts that only begin like the allowed one.
OLDEST_PLUGIN = (3, 4, 1)
#: Where a unit of ingest lies on a host that runs tapewatch under systemd.
UNITS = tuple(Path(folder, "tapewatch-ingest.service") for folder in ("/etc/systemd/system", "/usr/lib/systemd/system"))


def findings(settings: Settings, *, auth: bool = False) -> list[Finding]:
    """Findings about other processes; `auth` sends the key to the feed, which may end the connection of a running ingest."""
    return [feed(settings, auth=auth), clock(settings, time.time), bridge(settings), *grafana(settings)]


def feed(settings: Settings, *, auth: bool) -> Finding:
    """TCP, TLS, WebSocket and the vendor's greeting; with `auth` the key as well."""
    if settings.simulated and any(unit.exists() for unit in UNITS):
        detail = "neither a key nor a feed URL is set: tapewatch-ingest.service ends with exit code 78"
        return fail(
            "feed", detail, "set MASSIVE_API_KEY in /etc/tapewatch/tapewatch.env, then restart tapewatch.target"
        )
    if settings.simulated:
        return ok("feed", "simulated: neither a key nor a feed URL is set; `tapewatch run` starts the market")
    url = settings.feed_url or LIVE_FEED
    host = urlsplit(url).netloc.rpartition("@")[2]
    key = settings.api_key if auth else ""
    error = vendor_of(url).probe(url, key, TIMEOUT_S, settings.allow_plaintext_key).error
    if error:
        fix = "check MASSIVE_API_KEY and the plan" if "the key" in error else "check TAPEWATCH_FEED_URL and the network"
        return fail("feed", f"{host} {error}", fix)
    return ok("feed", f"{host} accepts the key" if key else f"{host} greets; the key was not sent (--auth sends it)")


def clock(settings: Settings, now: Callable[[], float]) -> Finding:
    """This machine's clock against the Date header of the vendor's REST; unknown where it cannot be reached."""
    if settings.simulated and not settings.rest_url:
        return ok("clock", "not compared: the market is simulated")
    url = settings.rest_url or LIVE_REST
    before = now()
    _, headers, _ = _get(url)
    after = now()
    behind = offset_s(headers["Date"], before, after)
    if behind is None:
        return ok("clock", f"unknown: {urlsplit(url).netloc} sends no Date header")
    offset = -behind
    detail = f"{abs(offset):.1f} s {'ahead of' if offset > 0 else 'behind'} {urlsplit(url).netloc}"
    if abs(offset) < CLOCK_WARN_S:
        return ok("clock", detail)
    return (fail if abs(offset) > CLOCK_FAIL_S else warn)("clock", detail, "keep it with NTP: timedatectl set-ntp true")


def bridge(settings: Settings) -> Finding:
    """The bridge of these settings, if it runs."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.bridge_host, settings.bridge_host)
    url = f"http://{f'[{host}]' if ':' in host else host}:{settings.bridge_port}"
    status, _, body = _get(f"{url}/readyz")
    if status == 200:
        return ok("bridge", f"ready at {url}")
    if status == 503:
        reason = _field(_json(body), "error", "message") or "not ready"
        return warn("bridge", f"{url} is not ready: {reason}", "see the lines redis and ingest")
    if status:
        return fail("bridge", f"{url} answers {status}: another program uses the port", "set TAPEWATCH_BRIDGE_PORT")
    return warn("bridge", f"not running at {url}", "tapewatch run, or systemctl start tapewatch-bridge")


def grafana(settings: Settings) -> list[Finding]:
    """Grafana (optional) and, where the token allows, the plugin that the dashboards need."""
    url = settings.grafana_url.rstrip("/")
    status, _, body = _get(f"{url}/api/health")
    version = str(_field(_json(body), "version") or "")
    if status != 200 or not version:
        return [warn("grafana", f"not running at {url}", "make grafana, or set TAPEWATCH_GRAFANA_URL")]
    if _numbers(version, 2) < OLDEST_GRAFANA:
        return [fail("grafana", f"{version} at {url}", "the dashboards need Grafana 11.6 or newer")]
    return [ok("grafana", f"{version} at {url}"), _plugin(url, settings.grafana_token)]


def _numbers(version: str, most: int) -> tuple[int, ...]:
    """The first numbers of a version such as 12.3.0-pre+1."""
    return tuple(int(part) if part.isdigit() else 0 for part in re.split(r"[-+]", version)[0].split(".")[:most])


def _plugin(url: str, token: str) -> Finding:
    status, _, body = _get(f"{url}/api/plugins/{PLUGIN}/settings", token)
    if status == 200:
        version = str(_field(_json(body), "info", "version") or "")
        if version and _numbers(version, 3) < OLDEST_PLUGIN:
            return fail(
                "infinity plugin", f"{version} is too old", f"grafana cli plugins update {PLUGIN}: 3.4.1 or newer"
            )
        return ok("infinity plugin", version or "installed")
    if status == 404:
        return fail("infinity plugin", "not installed", f"grafana cli plugins install {PLUGIN}, then restart Grafana")
    return ok("infinity plugin", "unknown: Grafana needs TAPEWATCH_GRAFANA_TOKEN for this")


def _get(url: str, token: str = "") -> tuple[int, Message, bytes]:
    """(status, headers, body); status 0 when nothing answers."""
    try:
        request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as reply:
            return reply.status, reply.headers, reply.read(1 << 20)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers, error.read(1 << 20)
    except (OSError, ValueError, http.client.HTTPException):
        return 0, Message(), b""


def _json(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


def _field(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value
